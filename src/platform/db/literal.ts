/** Quotes a text as a literal for SQL that takes no parameters (COPY). Whatever it holds, it stays one literal. */
export { escapeLiteral } from 'pg';
