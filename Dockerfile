# One image for every role: ROLE=all, api, worker or migrate (see docs/configuration.md).
ARG NODE_IMAGE=node:24-trixie-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No install script is needed to build or to run, and some of them only phone home or download programs.
RUN --mount=type=cache,target=/root/.npm npm ci --omit=optional --ignore-scripts --no-audit --no-fund
COPY prisma.config.ts ./
COPY prisma prisma
COPY src src
# Generating needs no schema engine, but the CLI would download one unless it is told where one stands.
RUN PRISMA_SCHEMA_ENGINE_BINARY=$(command -v node) CHECKPOINT_DISABLE=1 node node_modules/prisma/build/index.js generate
COPY nest-cli.json tsconfig.json tsconfig.build.json ./
RUN node node_modules/@nestjs/cli/bin/nest.js build

FROM ${NODE_IMAGE} AS modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# What only compilers, editors and other databases read is left out; licences stay.
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
  && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete \
  && find node_modules/@prisma/client/runtime -type f -name 'query_compiler_*' ! -name 'query_compiler_fast_bg.postgresql.*' -delete \
  && find node_modules/@prisma/client/runtime -type f -name 'wasm-compiler-edge.*' -delete

FROM ${NODE_IMAGE}
WORKDIR /app
# Names are looked up on libuv's threads, of which four are too few when somebody's name servers are silent.
ENV NODE_ENV=production DATA_DIR=/data PORT=8080 UV_THREADPOOL_SIZE=32
# The generated sealing key lives in /data. A named volume that is mounted here takes over this owner.
RUN install -d -o node -g node -m 0700 /data
# Root owns the program, so the process cannot change it.
COPY --from=modules /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json ./
COPY prisma/migrations prisma/migrations
COPY deploy/entrypoint.sh deploy/secrets.mjs deploy/
# `node` by number, so that an orchestrator can see that it is not root.
USER 1000:1000
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/readyz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# The entrypoint ends in `exec`: node is process 1 and gets the signals itself.
ENTRYPOINT ["/app/deploy/entrypoint.sh"]
CMD ["node", "dist/main.js"]
