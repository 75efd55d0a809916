import http from 'node:http';
import https from 'node:https';
import type { AddressGuard } from './guard.js';

/**
 * Agents for a client that speaks through `node:http`, such as an SDK: they connect only where the guard lets requests go. A name
 * is judged by the addresses it is connected to, a literal address before it is.
 */
export function guardedAgents(guard: AddressGuard, options: http.AgentOptions): { httpAgent: http.Agent; httpsAgent: https.Agent } {
  const guarded = { ...options, lookup: guard.lookup };
  return { httpAgent: refusing(new http.Agent(guarded), guard), httpsAgent: refusing(new https.Agent(guarded), guard) };
}

function refusing<Agent extends http.Agent>(agent: Agent, guard: AddressGuard): Agent {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    try {
      guard.refuseLiteral(options.host ?? '');
    } catch (error) {
      // Not thrown: an agent also connects on its own, when a place becomes free, and nobody would catch it there.
      callback?.(error as Error, undefined as never);
      return undefined;
    }
    return connect(options, callback);
  };
  return agent;
}
