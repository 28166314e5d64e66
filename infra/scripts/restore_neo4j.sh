#!/usr/bin/env bash
# Lists backups in a container of Azure Blob Storage, or restores one, with lifeboat.
set -euo pipefail

# shellcheck source=infra/scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

show_help() {
    cat <<'HELP'
List the backups in a container of Azure Blob Storage, or restore one into a Neo4j database.

Usage:
  restore_neo4j.sh --storage-account ACCOUNT --container CONTAINER --list-only
  restore_neo4j.sh --neo4j-uri URI --storage-account ACCOUNT --container CONTAINER \
                   --backup-file FILE [OPTIONS]

Options:
  --neo4j-uri URI            the server, such as bolt://your-neo4j-host:7687
  --neo4j-username NAME      who to be there (default: neo4j)
  --neo4j-password PASSWORD  the password; better set NEO4J_PASSWORD, which nobody else can see
  --storage-account ACCOUNT  the storage account
  --container CONTAINER      the container
  --list-only                list the backups and do nothing else
  --backup-file FILE         the backup, such as neo4j-backup-20230101-120000.tar.gz, or `latest`
  --replace                  replace what the database holds: it is backed up into the container
                             first, and put back if anything fails
  --yes                      with --replace: do not ask
  --help                     this text

A database that is not empty is not touched unless --replace is given. On a terminal the script
asks whether to replace it.

Environment:
  NEO4J_PASSWORD             the password of the database
  AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN,
  AZURE_STORAGE_CONNECTION_STRING
                             the key to the container; without one, the login of the Azure CLI or
                             the identity of this machine is used
  AZURE_STORAGE_ENDPOINT     another blob service than the public one, such as that of Azurite
  LIFEBOAT_BIN               the lifeboat program, when it is not in the PATH

Exit codes are those of lifeboat: 0 done, 1 failed, 2 called wrongly, 10 container missing,
13 the database is not empty, 130 interrupted.
HELP
}

uri='' username='neo4j' password='' account='' container='' file='' list='' replace='' yes=''
while [[ $# -gt 0 ]]; do
    case $1 in
        --neo4j-uri) uri=$(value_of "$@") ;;
        --neo4j-username) username=$(value_of "$@") ;;
        --neo4j-password) password=$(value_of "$@") ;;
        --storage-account) account=$(value_of "$@") ;;
        --container) container=$(value_of "$@") ;;
        --backup-file) file=$(value_of "$@") ;;
        --list-only | --replace | --yes)
            case $1 in
                --list-only) list=1 ;;
                --replace) replace=1 ;;
                --yes) yes=1 ;;
            esac
            shift
            continue
            ;;
        -h | --help)
            show_help
            exit 0
            ;;
        *) usage_error "there is no option $1" ;;
    esac
    shift 2
done

vault=$(vault_address "$account" "$container")
lifeboat=$(find_lifeboat)
if [[ -n $list ]]; then
    exec "$lifeboat" list --vault "$vault"
fi

[[ -n $uri ]] || usage_error "--neo4j-uri is missing"
[[ -n $file ]] || usage_error "--backup-file is missing; --list-only shows which there are"
use_password "$password"

restore=(restore "$file" --uri "$uri" --username "$username" --vault "$vault" --compression gzip)
if [[ -n $replace ]]; then
    restore+=(--replace)
    if [[ -n $yes ]]; then
        restore+=(--yes)
    fi
    exec "$lifeboat" "${restore[@]}"
fi

status=0
"$lifeboat" "${restore[@]}" || status=$?
# 13: the database holds data. Somebody at a terminal may want just that replaced; lifeboat then
# asks for the database's name before it does.
if [[ $status -eq 13 && -t 0 && -t 2 ]]; then
    read -r -p 'Replace what the database holds? A safety backup is taken first. [y/N] ' answer
    if [[ $answer == [yY]* ]]; then
        exec "$lifeboat" "${restore[@]}" --replace
    fi
fi
exit "$status"
