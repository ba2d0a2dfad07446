#!/usr/bin/env bash
# make demo [DB=sqlite|mariadb|postgresql]: a row travels from one table through a topic into another, and you watch.
set -euo pipefail
cd "$(dirname "$0")/.."
db=${1:-sqlite}
sluice=${SLUICE:-.build/release/sluice}
[ "${BASH_VERSINFO[0]}" -ge 5 ] || { echo "demo: bash 5 or newer is needed" >&2; exit 1; }
case $db in
    sqlite | mariadb | postgresql) ;;
    *) echo "demo: DB is sqlite, mariadb or postgresql, not '$db'" >&2; exit 2 ;;
esac

folder=$(mktemp -d "${TMPDIR:-/tmp}/sluice-demo.XXXXXX")
broker_pid="" database_pid="" sql_pid=""

clean_up() {
    trap - EXIT INT TERM
    for pid in $sql_pid $broker_pid $database_pid; do kill "$pid" 2>/dev/null || true; done
    for pid in $broker_pid $database_pid; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'echo; echo "stopped"; exit 130' INT TERM

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' plain=$'\e[0m'; else bold="" dim="" green="" plain=""; fi
number=0
step() { # step TITLE TEXT: opens a numbered step
    number=$((number + 1))
    printf '\n%s%d  %-16s%s %s\n' "$bold" "$number" "$1" "$plain" "$2"
}
show() { sed "s/^/   $dim/; s/\$/$plain/"; }
done_in() { # done_in TEXT START: closes a step with the milliseconds since START
    printf '   %s✓%s %s %s(%s ms)%s\n' "$green" "$plain" "$1" "$dim" "$(since "$2")" "$plain"
}
since() { # since START: milliseconds, with a digit after the point below 100
    local micros=$((${EPOCHREALTIME/./} - ${1/./}))
    if ((micros < 100000)); then
        printf '%d.%d' $((micros / 1000)) $((micros % 1000 / 100))
    else
        printf '%d' $((micros / 1000))
    fi
}
fail() {
    printf '\ndemo failed: %s\n' "$1" >&2
    [ ! -s "$folder/sluice.log" ] || tail -n 15 "$folder/sluice.log" >&2
    exit 1
}
until_true() { # until_true SECONDS WHAT COMMAND...: tries every 20 ms
    local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000)) what=$2
    shift 2
    until "$@"; do
        ((${EPOCHREALTIME/./} < deadline)) || fail "$what"
        sleep 0.02
    done
}

start_sqlite() {
    stdbuf -oL sqlite3 -batch "$folder/shop.db" >"$folder/sql.out" 2>"$folder/sql.err" <"$folder/sql.in" &
    sql_pid=$!
    users="create table users(id integer primary key autoincrement, name varchar(20), pwd varchar(20),
        created_at datetime default current_timestamp);"
    connection='"connection.url": "jdbc:sqlite:'$folder'/shop.db"'
}

start_mariadb() {
    local port account=()
    [ "$(id -u)" -ne 0 ] || account=(--user=root)
    port=$((20000 + RANDOM % 20000))
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    mariadb-install-db --no-defaults "${account[@]}" --datadir="$folder/mariadb" --skip-test-db \
        --auth-root-authentication-method=normal >"$folder/mariadb.log" 2>&1 || fail "$(tail -n 3 "$folder/mariadb.log")"
    PATH=$PATH:/usr/sbin mariadbd --no-defaults "${account[@]}" --datadir="$folder/mariadb" --port="$port" \
        --bind-address=127.0.0.1 --socket="$folder/mariadb.sock" --pid-file="$folder/mariadb.pid" \
        >>"$folder/mariadb.log" 2>&1 &
    database_pid=$!
    until_true 30 "MariaDB did not start" mariadb-admin --no-defaults -uroot -S "$folder/mariadb.sock" ping \
        >>"$folder/mariadb.log" 2>&1
    mariadb --no-defaults -uroot -S "$folder/mariadb.sock" \
        -e "create database mydb; alter user root@localhost identified by 'test1357'"
    mariadb --no-defaults -uroot -ptest1357 -S "$folder/mariadb.sock" --unbuffered --batch --skip-column-names mydb \
        >"$folder/sql.out" 2>"$folder/sql.err" <"$folder/sql.in" &
    sql_pid=$!
    users="create table users(id int auto_increment primary key, name varchar(20), pwd varchar(20),
        created_at datetime default now());"
    connection='"connection.url": "jdbc:mysql://127.0.0.1:'$port'/mydb",
        "connection.user": "root", "connection.password": "test1357"'
}

start_postgresql() {
    local port bin become=()
    for bin in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) /opt/homebrew/bin /usr/local/bin; do
        [ ! -x "$bin/initdb" ] || [ ! -x "$bin/pg_isready" ] || break
    done
    mkdir "$folder/postgresql"
    # The server refuses to run as root.
    if [ "$(id -u)" -eq 0 ]; then
        become=(setpriv --reuid=postgres --regid=postgres --clear-groups)
        chmod 711 "$folder"
        chown postgres "$folder/postgresql"
    fi
    port=$((20000 + RANDOM % 20000))
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo test1357 >"$folder/postgresql/password"
    chmod 644 "$folder/postgresql/password"
    "${become[@]}" "$bin/initdb" -D "$folder/postgresql/data" -U postgres --pwfile="$folder/postgresql/password" \
        --auth-local=trust --auth-host=scram-sha-256 -E UTF8 --no-sync >"$folder/postgresql.log" 2>&1 \
        || fail "$(tail -n 3 "$folder/postgresql.log")"
    "${become[@]}" "$bin/postgres" -D "$folder/postgresql/data" -k "$folder/postgresql" -p "$port" \
        -c listen_addresses=127.0.0.1 >>"$folder/postgresql.log" 2>&1 &
    database_pid=$!
    until_true 30 "PostgreSQL did not start" "$bin/pg_isready" -q -h "$folder/postgresql" -p "$port"
    "$bin/psql" -X -q -h "$folder/postgresql" -p "$port" -U postgres -c "create database mydb"
    stdbuf -oL "$bin/psql" -X -q -A -t -h "$folder/postgresql" -p "$port" -U postgres mydb \
        >"$folder/sql.out" 2>"$folder/sql.err" <"$folder/sql.in" &
    sql_pid=$!
    users="create table users(id serial primary key, name varchar(20), pwd varchar(20),
        created_at timestamp default now());"
    connection='"connection.url": "jdbc:postgresql://127.0.0.1:'$port'/mydb",
        "connection.user": "postgres", "connection.password": "test1357"'
}

# One database session for the whole demo: statements go in by one pipe, and what they print comes out by another.
mkfifo "$folder/sql.in" "$folder/sql.out"
exec 8<>"$folder/sql.in" 9<>"$folder/sql.out"
sql() { echo "$1" >&8; }
ask() { # ask QUERY: prints the first line of the answer
    echo "$1" >&8
    local line
    read -r -t 10 -u 9 line || fail "the database does not answer: $(tail -n 1 "$folder/sql.err")"
    echo "$line"
}
ask_all() { # ask_all QUERY: prints all lines
    echo "$1 select '.';" >&8
    local line
    while read -r -t 10 -u 9 line && [ "$line" != . ]; do echo "$line"; done
}
table() { # table NAME: prints its rows in columns
    ask_all "select * from $1 order by id;" | tr '|' '\t' | column -t -s $'\t'
}
rows_arrived() { # rows_arrived COUNT
    ask "select count(*) from $catalogue" | grep -qx 1 && [ "$(ask "select count(*) from my_topic_users;")" -ge "$1" ]
}

connector() { # connector NAME JSON: registers it and waits until its task runs
    local answer started=$EPOCHREALTIME
    answer=$(curl -s -X POST -H 'Content-Type: application/json' -d "$2" "$rest/connectors")
    case $answer in '{"name"'*) ;; *) fail "POST /connectors answered $answer" ;; esac
    until_true 20 "$1 does not run: $(curl -s "$rest/connectors/$1/status")" task_runs "$1"
    done_in "$1 is RUNNING" "$started"
}
task_runs() { curl -s "$rest/connectors/$1/status" | grep -q '"tasks":\[{[^]]*"state":"RUNNING"'; }
ready_value() { sed -n "s/.*\"$1\":\"\\{0,1\\}\\([^,\"}]*\\).*/\\1/p" "$folder/ready.json"; }

printf '%sSluice demo%s: a row travels from one table through a Kafka topic into another.\n' "$bold" "$plain"

case $db in
    sqlite) step "Database" "SQLite, one file" ;;
    mariadb) step "Database" "MariaDB, started for this demo" ;;
    postgresql) step "Database" "PostgreSQL, started for this demo" ;;
esac
started=$EPOCHREALTIME
"start_$db"
case $db in
    sqlite) catalogue="sqlite_master where name = 'my_topic_users';" ;;
    mariadb | postgresql) catalogue="information_schema.tables where table_name = 'my_topic_users';" ;;
esac
sql "$users insert into users(name, pwd) values('ada', 'analytical'), ('grace', 'cobol60'), ('linus', 'penguin');"
table users | show
done_in "table users has 3 rows" "$started"

step "Sluice" "sluice up: broker and Connect in one process"
started=$EPOCHREALTIME
"$sluice" up --data-dir "$folder/data" --port 0 --rest-port 0 --ready-file "$folder/ready.json" \
    >"$folder/banner" 2>"$folder/sluice.log" &
broker_pid=$!
is_ready() { [ -s "$folder/ready.json" ] || { kill -0 "$broker_pid" 2>/dev/null || fail "sluice up ended"; false; }; }
until_true 20 "sluice up is not ready" is_ready
rest=$(ready_value rest) bootstrap=$(ready_value bootstrapServers)
done_in "Kafka on $bootstrap, Connect on $rest" "$started"

step "Source" "users → topic my_topic_users"
connector my-source-connect '{"name": "my-source-connect", "config": {
    "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector", '"$connection"',
    "mode": "incrementing", "incrementing.column.name": "id", "table.whitelist": "users",
    "topic.prefix": "my_topic_", "tasks.max": "1"}}'

step "Topic" "what a Kafka client sees in my_topic_users"
"$sluice" console-consumer --bootstrap-server "$bootstrap" --topic my_topic_users --from-beginning --max-messages 3 \
    --timeout-ms 10000 >"$folder/records" 2>/dev/null || fail "the topic could not be read"
[ "$(wc -l <"$folder/records")" -eq 3 ] || fail "the topic has $(wc -l <"$folder/records") records instead of 3"
sed 's/^{"schema":.*,"payload":/{"schema":{…},"payload":/' "$folder/records" | show

step "Sink" "topic my_topic_users → table my_topic_users"
started=$EPOCHREALTIME
connector my-sink-connect '{"name": "my-sink-connect", "config": {
    "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector", '"$connection"',
    "auto.create": "true", "auto.evolve": "true", "delete.enabled": "false", "tasks.max": "1",
    "topics": "my_topic_users"}}'
until_true 20 "the rows did not arrive: $(curl -s "$rest/connectors/my-sink-connect/status")" rows_arrived 3
done_in "the table was created and has 3 rows" "$started"
table my_topic_users | show

step "Live" "insert into users(name, pwd) values('margaret', 'apollo11')"
sql "insert into users(name, pwd) values('margaret', 'apollo11');"
committed=$EPOCHREALTIME
until [ "$(ask "select count(*) from my_topic_users where name = 'margaret';")" = 1 ]; do
    [ "${EPOCHREALTIME/.*/}" -lt $((${committed/.*/} + 20)) ] || fail "the row did not arrive within 20 s"
done
printf '   %s✓ in the other table after %s ms%s\n' "$green$bold" "$(since "$committed")" "$plain"
table my_topic_users | tail -n 1 | show

step "Stop" "Ctrl-C does the same"
started=$EPOCHREALTIME
kill "$broker_pid"
wait "$broker_pid" || fail "sluice up ended with status $?"
broker_pid=""
done_in "stopped, nothing left behind" "$started"
printf '\nYour own: %s up, then http://localhost:8083/connectors (README.md)\n' "$sluice"
