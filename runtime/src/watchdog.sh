# Stops PostgreSQL and NATS as soon as their owner is gone, however it went. Run by `sh -c`, see watchdog.rs.
# Input, until its end: a line «name pid directory» for each server started; the latest of a name counts. A line «now»:
# the end of the input is the end, whatever $1 says.
# $1, $2: number and start time of a process to outlive after the end of the input; empty if the input's end is the end.
# $3: gentle (data are to be kept) or abrupt (they are not). $4: a directory to remove at last; may be empty.
trap '' HUP INT TERM
owner=$1 started=$2 manner=$3 remove=$4
postgres= postgres_dir= nats= nats_dir=
while IFS=' ' read -r name pid dir; do
    case $name in
    postgres) postgres=$pid postgres_dir=$dir ;;
    nats) nats=$pid nats_dir=$dir ;;
    now) owner= ;;
    esac
done

# Whether process $1 is the one that started at $2. A zombie is not.
lives() {
    if [ -d /proc/self ]; then
        { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
        # The name may hold spaces and parentheses; the fields after it are «state ppid …», the 20th the start time.
        set -- "$2" ${stat##*) }
        case $2 in Z | X) return 1 ;; esac
        shift
        shift 19
        [ "$1" = "$started" ]
    else
        # Squeezes ps's padding: «Sun Nov  1» and «Sun Nov 1» are the same time.
        [ "$(echo $(ps -o lstart= -p "$1" 2>/dev/null))" = "$2" ]
    fi
}
if [ -n "$owner" ]; then
    while lives "$owner" "$started"; do sleep 0.1; done
fi

# Whether $1 is a server that works in $2: by now its number may belong to another process.
ours() {
    [ -n "$1" ] || return 1
    if [ -d /proc/self ]; then
        case $(readlink "/proc/$1/cwd" 2>/dev/null) in "$2" | "$2 (deleted)") return 0 ;; esac
        return 1
    fi
    case $(ps -o stat=,command= -p "$1" 2>/dev/null) in Z*) return 1 ;; *"$2"*) return 0 ;; esac
    return 1
}
# Sends $1 to PostgreSQL and $2 to NATS, then waits until both are gone, for at most $3 twentieths of a second.
stop() {
    if ours "$postgres" "$postgres_dir"; then kill -s "$1" "$postgres" 2>/dev/null; fi
    if ours "$nats" "$nats_dir"; then kill -s "$2" "$nats" 2>/dev/null; fi
    left=$3
    while [ "$left" -gt 0 ]; do
        if ! ours "$postgres" "$postgres_dir" && ! ours "$nats" "$nats_dir"; then return 0; fi
        sleep 0.05
        left=$((left - 1))
    done
    return 1
}
# INT is PostgreSQL's fast shutdown, QUIT its immediate one.
if [ "$manner" = abrupt ]; then
    stop QUIT KILL 40 || stop KILL KILL 40
else
    stop INT TERM 400 || stop QUIT KILL 100 || stop KILL KILL 40
fi

# Again if need be: the last of PostgreSQL's processes may still be writing.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -n "$remove" ] && [ -e "$remove" ] || break
    rm -rf -- "$remove" 2>/dev/null || sleep 0.1
done
