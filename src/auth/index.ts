export { Audit } from './audit.js';
export { AuthModule } from './auth.module.js';
export { permits, type Scope } from './scopes.js';
export { Allow, type Caller, CurrentCaller } from './caller.js';
export { differenceOf } from './difference.js';
export { StraightRoutes } from './straight-routes.js';
