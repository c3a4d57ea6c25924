#!/bin/sh
# Runs on a Linux board, in the folder that edgekit has sent: makes an environment with the packages that the agent
# needs, runs the model once, and starts the agent in place of the one before. Up to that last step nothing of the one
# before is touched, and if the new one does not start, the old one is started again.
# usage: install.sh NAME ADDRESS PYTHON PACKAGES [OPTION...]
#   NAME      of the folder that this becomes, below ~/.edgekit/agents
#   ADDRESS   where the agent listens
#   PYTHON    one that has the packages already, by name, or by path from the user's home; or -
#   PACKAGES  what pip is to install, in one word
#   OPTION    for `edgekit agent`
set -eu
name=$1 address=$2 python=$3 packages=$4
shift 4

new=$(cd "$(dirname "$0")" && pwd)
home=$(dirname "$(dirname "$new")")
place=$home/agents/$name
record=$home/agent.json
started=
case $python in
    "~/"* | ./*) python=$PWD/${python#?/} ;;
    /*) ;;
    */*) python=$PWD/$python ;;
esac
cd "$new"
trap '[ -n "$started" ] || rm -rf "$new"' EXIT
trap 'exit 1' HUP PIPE TERM

fail() { # fail STATUS SENTENCE: the status tells edgekit which hint belongs to it
    echo "$2"
    exit "$1"
}

# Two at a time would start two agents.
if command -v flock > /dev/null; then
    exec 9> "$home/lock"
    flock -w 60 9 || fail 10 "another edgekit is installing on this board"
fi

base=$python
[ "$base" != - ] || base=python3
command -v "$base" > /dev/null || fail 11 "$base is not on this board"
version=$("$base" -c 'import sys; print("%d.%d" % sys.version_info[:2]); sys.exit(sys.version_info < (3, 10))') ||
    fail 12 "$base is Python $version, and the agent needs 3.10 or later"

if [ "$python" = - ]; then
    key=$(printf '%s %s' "$version" "$packages" | cksum | cut -d ' ' -f 1)
    environment=$home/environments/$version-$key
    python=$environment/bin/python
    if [ ! -f "$environment/complete" ]; then
        echo "Making an environment with $packages ..."
        mkdir -p "$home/environments"
        # One that is there without its packages is from an attempt that failed; making it takes long.
        "$python" -m pip --version > /dev/null 2>&1 || "$base" -m venv --clear "$environment" ||
            fail 13 "$base cannot make a virtual environment"
        from=
        [ ! -d wheels ] || from="--no-index --find-links wheels"
        # shellcheck disable=SC2086
        "$python" -m pip install --quiet --disable-pip-version-check --no-input $from $packages ||
            fail 14 "pip could not install $packages"
        touch "$environment/complete"
    fi
else
    python=$(command -v "$python")
fi
rm -rf wheels

said=$(PYTHONPATH=$new PYTHONDONTWRITEBYTECODE=1 "$python" -m edgekit agent --build . --check "$@" 2> check.log) || {
    cat check.log
    fail 15 "the model does not run on this board"
}
rm -f check.log

# When nobody listens any more, because edgekit was interrupted, this ends the script before anything is replaced.
echo "Starting the agent ..."

# The name stands for all that is in the folder: one that is there already is the same.
if [ -d "$place" ]; then
    rm -rf "$new"
else
    mv "$new" "$place"
fi
started=yes
cd "$place"
address=$(PYTHONPATH=$place "$python" -m edgekit agent --build . --listen "$address" --background "$record" "$@" 9>&-) ||
    fail 16 "the agent does not start"

cat > "$home/stop.sh" << STOP
#!/bin/sh
# Ends the agent that edgekit has started on this board.
PYTHONPATH='$place' exec '$python' -m edgekit agent --stop '$record'
STOP
for folder in "$home/agents"/* "$home/environments"/*; do
    case $folder/ in "$place/" | "${python%/bin/python}/") ;; *) rm -rf "$folder" ;; esac
done
echo "ready $address $said"
