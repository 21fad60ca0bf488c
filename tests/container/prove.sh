#!/usr/bin/env bash
# `make test-container`: build the Dockerfile on a Debian root that is made here, and run it as compose.yml does.
# It needs root, and Debian's mmdebstrap, buildah and runc; no image is downloaded. The camera is the synthetic signer.
set -euo pipefail
cd "$(dirname "$0")/../.."
name=asl-edge-test-$$ work=$(mktemp -d) container=
storage=(--root "$work/storage" --runroot "$work/run" --storage-driver vfs)
build() { buildah "${storage[@]}" "$@"; }
cleanup() {
  [ -z "$container" ] || build rm "$container" >/dev/null || true
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT
say() { printf '%5d s  %s\n' "$SECONDS" "$1"; }
fail() { echo "FAILED: $1" >&2; exit 1; }

mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$work/base.tar"
base=$(build from scratch)
build add -q "$base" "$work/base.tar" / >/dev/null
build commit -q "$base" "localhost/$name-base" >/dev/null
build rm "$base" >/dev/null
rm "$work/base.tar"
say "a Debian base image of this machine's packages"

# pip inside the build finds its packages as it does outside
build bud -q --isolation chroot --network host --build-arg "BASE=localhost/$name-base" \
  --volume /etc/ssl/certs:/etc/ssl/certs:ro --env PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
  --format docker -t "localhost/$name" . >/dev/null
say "the Dockerfile builds: $(build inspect --type image "localhost/$name" | grep -c '"created_by"') steps"
image() { build inspect --type image --format "{{.Docker.Config.$1}}" "localhost/$name"; }
[ "$(image User)" = 10001:10001 ] || fail "the image runs as $(image User)"
[[ "$(image Healthcheck)" == *health.py* ]] || fail "the image has no health check"
[ "$(image Entrypoint)" = "[asl-edge]" ] || fail "the entry point is $(image Entrypoint)"
say "it runs as user 10001 and has a health check"

container=$(build from "localhost/$name")
token=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
echo "$token" >"$work/page_token"
chmod 644 "$work/page_token"
sed -e 's/usb:0/synthetic:HELLO/' -e 's/0.0.0.0:8080/127.0.0.1:8080/' container/settings.toml >"$work/settings.toml"
mkdir "$work/state" && chown 10001:10001 "$work/state"
inside() { # COMMAND...: without capabilities and without a network, with the mounts of compose.yml
  build run --isolation oci --runtime runc --cap-drop ALL --network none \
    --volume "$work/page_token:/run/secrets/page_token:ro" --volume "$work/settings.toml:/etc/asl-edge/settings.toml:ro" \
    --volume "$work/state:/var/lib/asl-edge" "$container" -- "$@"
}
[ "$(inside id -u)" = 10001 ] || fail "commands don't run as user 10001"
inside sh -c '! touch /opt/asl-edge/x 2>/dev/null && touch /var/lib/asl-edge/x' || fail "who may write is wrong"
inside sh -c 'asl-edge check /opt/asl-edge/lib/python3*/site-packages/edge/default_model' >/dev/null || fail "check"
say "the shipped model is complete in the image"

inside sh -c '
  asl-edge run --config /etc/asl-edge/settings.toml >/tmp/letters 2>/tmp/log & program=$!
  for i in $(seq 60); do python /opt/asl-edge/health.py 2>/dev/null && break; sleep 1; done
  python /opt/asl-edge/health.py && echo healthy
  for i in $(seq 60); do grep -q HELLO /tmp/letters && break; sleep 1; done
  tail -n 1 /tmp/letters
  kill $program && wait $program; echo "ended with $?"
  cat /tmp/log' >"$work/output" || { cat "$work/output"; fail "the program did not run"; }
grep -q '^healthy$' "$work/output" || { cat "$work/output"; fail "the health check did not pass"; }
grep -q '"text": ".*HELLO' "$work/output" || { cat "$work/output"; fail "HELLO was not read"; }
grep -q '^ended with 0$' "$work/output" || { cat "$work/output"; fail "SIGTERM did not end it well"; }
say "it reads HELLO, its health check passes, and SIGTERM ends it with code 0"
say "passed"
