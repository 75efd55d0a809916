/** Stands for a secret in answers. Sent back, it means: keep what is stored. So what was read can be written again. */
export const MASK = '********';
