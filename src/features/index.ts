export { defineFeature } from './feature.js';
export { FeaturesModule } from './features.module.js';
export { Features } from './features.js';
