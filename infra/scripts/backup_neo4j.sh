#!/usr/bin/env bash
# Backs up a Neo4j database into a container of Azure Blob Storage, with lifeboat.
set -euo pipefail

# shellcheck source=infra/scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

show_help() {
    cat <<'HELP'
Back up a Neo4j database into a container of Azure Blob Storage.

Usage:
  backup_neo4j.sh --neo4j-uri URI --storage-account ACCOUNT --container CONTAINER [OPTIONS]

Options:
  --neo4j-uri URI            the server, such as bolt://your-neo4j-host:7687
  --neo4j-username NAME      who to be there (default: neo4j)
  --neo4j-password PASSWORD  the password; better set NEO4J_PASSWORD, which nobody else can see
  --storage-account ACCOUNT  the storage account
  --container CONTAINER      the container, which must exist
  --backup-name NAME         a name instead of neo4j-backup-YYYYMMDD-HHMMSS (UTC)
  --retention-days DAYS      after a good backup, prune: backups older than this are marked, and
                             removed by a run a day later; the newest good one from before these
                             days stays, and nothing goes while the new backup looks poisoned
  --help                     this text

Environment:
  NEO4J_PASSWORD             the password of the database
  AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN,
  AZURE_STORAGE_CONNECTION_STRING
                             the key to the container; without one, the login of the Azure CLI or
                             the identity of this machine is used
  AZURE_STORAGE_ENDPOINT     another blob service than the public one, such as that of Azurite
  LIFEBOAT_BIN               the lifeboat program, when it is not in the PATH

Example:
  NEO4J_PASSWORD=your-password backup_neo4j.sh \
    --neo4j-uri bolt://your-neo4j-host:7687 --neo4j-username neo4j \
    --storage-account your-storage-account --container neo4j-backups

Exit codes are those of lifeboat: 0 done, 1 failed, 2 called wrongly, 3 backed up but not pruned,
or pruning is on hold, 10 container missing, 130 interrupted.
HELP
}

uri='' username='neo4j' password='' account='' container='' name='' days=''
while [[ $# -gt 0 ]]; do
    case $1 in
        --neo4j-uri) uri=$(value_of "$@") ;;
        --neo4j-username) username=$(value_of "$@") ;;
        --neo4j-password) password=$(value_of "$@") ;;
        --storage-account) account=$(value_of "$@") ;;
        --container) container=$(value_of "$@") ;;
        --backup-name) name=$(value_of "$@") ;;
        --retention-days) days=$(value_of "$@") ;;
        -h | --help)
            show_help
            exit 0
            ;;
        *) usage_error "there is no option $1" ;;
    esac
    shift 2
done

[[ -n $uri ]] || usage_error "--neo4j-uri is missing"
vault=$(vault_address "$account" "$container")
lifeboat=$(find_lifeboat)
use_password "$password"

backup=(backup --uri "$uri" --username "$username" --vault "$vault" --compression gzip)
if [[ -n $name ]]; then
    backup+=(--name "$name")
fi
if [[ -z $days ]]; then
    exec "$lifeboat" "${backup[@]}"
fi
if [[ ! $days =~ ^[1-9][0-9]*$ ]]; then
    usage_error "--retention-days is not a number of days"
fi
"$lifeboat" "${backup[@]}"
if ! "$lifeboat" prune --vault "$vault" --retention-days "$days"; then
    printf 'warning: the backup is made, but not all that is due was removed\n' >&2
    exit 3
fi
