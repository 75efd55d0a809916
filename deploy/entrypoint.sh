#!/bin/sh
# Lets the database password come from a file, so that it stands in no compose file and in no `docker inspect`.
set -eu
if [ -z "${DATABASE_URL:-}" ] && [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
  password=$(cat "$POSTGRES_PASSWORD_FILE")
  export DATABASE_URL="postgres://${POSTGRES_USER:-lakehook}:${password}@${POSTGRES_HOST:-postgres}:${POSTGRES_PORT:-5432}/${POSTGRES_DB:-lakehook}"
fi
exec "$@"
