# shellcheck shell=bash
# What backup_neo4j.sh and restore_neo4j.sh share. Not to be run by itself.

# Ends with a message; 2 says that the script was called wrongly.
usage_error() {
    printf 'error: %s\nhint: %s --help\n' "$1" "$0" >&2
    exit 2
}

# The value of an option, which must be there.
value_of() {
    if [[ $# -lt 2 || -z $2 ]]; then
        usage_error "$1 needs a value"
    fi
    printf '%s' "$2"
}

# Finds lifeboat: $LIFEBOAT_BIN, the PATH, or what cargo has built in this repository.
find_lifeboat() {
    local root
    if [[ -n ${LIFEBOAT_BIN:-} ]]; then
        if [[ ! -x $LIFEBOAT_BIN ]]; then
            printf 'error: LIFEBOAT_BIN is %s, which is no program\n' "$LIFEBOAT_BIN" >&2
            exit 1
        fi
        printf '%s' "$LIFEBOAT_BIN"
        return
    fi
    if command -v lifeboat; then
        return
    fi
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
    local build
    for build in release debug; do
        if [[ -x $root/target/$build/lifeboat ]]; then
            printf '%s' "$root/target/$build/lifeboat"
            return
        fi
    done
    printf 'error: lifeboat is not installed\n' >&2
    printf 'hint: put it into the PATH, set LIFEBOAT_BIN, or run: cargo build --release -p lifeboat-cli\n' >&2
    exit 1
}

# Hands the password on by the environment, where other users of the machine do not see it.
use_password() {
    local given=$1
    if [[ -n $given ]]; then
        printf 'warning: --neo4j-password on a command line can be seen by everybody on this machine; set NEO4J_PASSWORD instead\n' >&2
    else
        given=${NEO4J_PASSWORD:-}
    fi
    if [[ -n $given ]]; then
        export LIFEBOAT_PASSWORD=$given
    fi
}

# The address of a container, as lifeboat writes it.
vault_address() {
    local account=$1 container=$2
    [[ -n $account ]] || usage_error "--storage-account is missing"
    [[ -n $container ]] || usage_error "--container is missing"
    printf 'az://%s/%s' "$account" "$container"
}
