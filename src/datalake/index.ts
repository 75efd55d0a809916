export { DatalakeModule } from './datalake.module.js';
