# Sourced by the tutorial: where the running demo's registry, broker, keys and device are.
[ -e "${DEMO:-.demo}/device/config.toml" ] || echo "no demo runs here: start ./run demo first" >&2
DEMO=$(cd "${DEMO:-.demo}" && pwd)
export PATH="$PWD/.venv/bin:$PATH"
export EDGETENDER_CONFIG="$DEMO/device/config.toml"
REGISTRY=$(sed -n 's/^\[registries\."\(.*\)"\]/\1/p' "$EDGETENDER_CONFIG" | head -n 1)
BROKER=mqtts://localhost:$(sed -n '/^\[transport\]/,/^\[/s/^port = //p' "$EDGETENDER_CONFIG")
KEYS=$DEMO/keys
SIGNING=$DEMO/signing
EDGETENDER_REGISTRY_PASSWORD=$(sed 's/.*"password": "\([^"]*\)".*/\1/' "$DEMO/device/credentials/demo-registry")
export REGISTRY BROKER KEYS SIGNING EDGETENDER_REGISTRY_PASSWORD
