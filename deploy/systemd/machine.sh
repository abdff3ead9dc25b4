# A Debian that boots for a trial, for try.sh and walk.sh to source: in systemd-nspawn,
# without a network, and gone when they end. Debian, the packages that the documents
# install, and the Python packages are fetched before and kept in TRY_FOLDER (1.5 GB).
# shellcheck shell=bash

folder=${TRY_FOLDER:-/var/tmp/resource-sync-try}
guide=docs/how-to/production.md
machine=resource-sync-try-$$
# What the documents install, and caddy, whose ACME server stands for Let's Encrypt's.
packages=(git make python3-venv curl openssl sqlite3 postgresql redis-server nginx certbot caddy)

leader= # its process 1, as this machine numbers it
nspawn=
work=

say() { printf '\n=== %3d s: %s\n' "$SECONDS" "$*"; }
fail() {
    printf '\nFAILED: %s\n' "$*" >&2
    [ -z "$leader" ] || inside sh -c "systemctl --failed --no-pager
        journalctl --no-pager --lines 60 --priority notice
        journalctl --no-pager --lines 40 --unit 'resource-sync*'
        tail -n 20 /var/log/postgresql/*.log /var/log/nginx/*.log /var/log/letsencrypt/*.log 2>/dev/null" >&2
    exit 1
}
leave_out() {
    echo "Not tried: $*" >&2
    exit 77
}

# --- The machine ----------------------------------------------------------------------

for_what_is_missing() {
    [ "$(id -u)" = 0 ] || leave_out "only root can boot a machine"
    for program in debootstrap systemd-nspawn nsenter git; do
        PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || leave_out "there is no $program"
    done
}

make_ready() { # all that a machine is made of
    for_what_is_missing
    mkdir -p "$folder"
    trap clean_up EXIT
    trap 'fail "$BASH_COMMAND"' ERR
    make_base
    fetch_packages
}

make_base() { # Debian with what its installer would have put there, and packages beside it
    local part="$folder/base.part"
    if [ "$(cat "$folder/base/var/cache/apt/resource-sync" 2>/dev/null)" = "${packages[*]}" ]; then
        return
    fi
    say "Fetching Debian"
    rm -rf "$part" "$folder/base"
    debootstrap --variant=minbase \
        --include=systemd,systemd-sysv,dbus,iproute2,ca-certificates \
        bookworm "$part" >"$folder/debootstrap.log" || leave_out "see $folder/debootstrap.log"
    chroot "$part" apt-get install --yes --download-only "${packages[@]}" \
        >>"$folder/debootstrap.log" || leave_out "see $folder/debootstrap.log"
    echo "${packages[*]}" >"$part/var/cache/apt/resource-sync"
    mv "$part" "$folder/base"
}

fetch_packages() { # by the machine's own Python, with this one's network and settings
    cmp -s requirements.txt "$folder/wheels/requirements.txt" && return
    say "Fetching the Python packages"
    rm -rf "$folder/wheels" && mkdir "$folder/wheels"
    local settings=() place name
    for place in /etc/pip.conf /etc/xdg/pip /etc/ssl/certs; do
        [ ! -e "$place" ] || settings+=("--bind-ro=$place")
    done
    for name in "${!PIP_@}"; do settings+=("--setenv=$name=${!name}"); done
    make_machine
    systemd-nspawn --quiet --directory "$work/root" --machine "$machine" --register=no --keep-unit --console=pipe \
        --bind "$folder/wheels:/srv/wheels" --bind-ro "$PWD/requirements.txt:/srv/requirements.txt" \
        "${settings[@]}" sh -ec '
            apt-get install --yes python3-venv >/dev/null
            python3 -m venv /tmp/pip
            # As they are: what is built here has not the digest that is asked for.
            /tmp/pip/bin/python -m pip download -q -r /srv/requirements.txt -d /srv/wheels
            /tmp/pip/bin/python -m pip download -q setuptools wheel -d /srv/wheels'
    unmake_machine
    cp requirements.txt "$folder/wheels/"
}

make_machine() { # what changes lies above the base, and is gone afterwards
    work=$(mktemp -d "$folder/machine.XXXXXX")
    mkdir "$work/upper" "$work/work" "$work/root"
    mount -t overlay overlay "$work/root" \
        -o "lowerdir=$folder/base,upperdir=$work/upper,workdir=$work/work"
}

unmake_machine() {
    [ -z "$work" ] || { umount "$work/root" && rm -rf "$work"; }
    work=
}

give_packages() { # it has no network of its own, so that no port is in anybody's way
    printf '[global]\nno-index = true\nfind-links = /srv/wheels\n' >"$work/root/etc/pip.conf"
    cp -r "$folder/wheels" "$work/root/srv/"
    chmod -R a+rX "$work/root/srv"
}

boot() {
    systemd-nspawn --quiet --boot --directory "$work/root" --machine "$machine" \
        --private-network --register=no --keep-unit --console=pipe \
        </dev/null >>"$work/console.log" 2>&1 &
    nspawn=$!
    until leader=$(pgrep --parent "$nspawn") && inside systemctl is-system-running --wait; do
        kill -0 "$nspawn" 2>/dev/null || {
            tail -n 5 "$work/console.log" >&2
            leader=
            leave_out "systemd-nspawn can't boot here"
        }
        [ "$(inside systemctl is-system-running 2>/dev/null)" != degraded ] || break
        sleep 0.2
    done >/dev/null 2>&1
}

power_off() {
    inside systemctl --no-block poweroff
    wait "$nspawn" || true
    leader=
    nspawn=
}

clean_up() {
    [ -z "$nspawn" ] || kill -KILL $(pgrep --parent "$nspawn") "$nspawn" 2>/dev/null || true
    [ -z "$nspawn" ] || wait "$nspawn" 2>/dev/null || true
    unmake_machine
}

inside() { # inside PROGRAM ARGUMENT…: as root of the machine
    nsenter --target "$leader" --mount --uts --ipc --net --pid --root --wd \
        env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

start_machine() { # start_machine VERSION: the product as a commit that it can clone
    make_machine
    give_packages
    hand_over "$1"
    boot
}

# --- What it does there ---------------------------------------------------------------

commands_under() { # the commands for a shell that a document prints under a heading
    awk -v heading="$1" '
        !code && /^#+ / { name = $0; sub(/^#+ /, "", name); here = (name == heading) }
        /^```/ { shell = ($0 == "```sh"); code = !code; next }
        here && code && shell' "$guide"
}

as_printed() { # as_printed HEADING
    local commands
    commands=$(commands_under "$1" | sed 's#REPOSITORY_URL#/srv/product.git#')
    [ -n "$commands" ] || fail "$guide prints no command under $1"
    inside bash -exc "$commands" || fail "the commands under $1 do not work as printed"
}

hand_over() { # hand_over VERSION: this working tree, as a commit that it can pull
    local repository="$work/repository"
    [ -d "$repository" ] || git init -q -b main "$repository"
    git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -cf - -T - | tar -xf - -C "$repository"
    sed -i "s/^VERSION = .*/VERSION = \"$1\"/" "$repository/resource_sync/settings.py"
    git -C "$repository" add -A
    git -C "$repository" -c user.name=try -c user.email=try@localhost commit -qm "$1"
    git -C "$repository" bundle create -q "$work/root/srv/product.git" HEAD main
    chmod a+r "$work/root/srv/product.git"
}

product() { # product PROGRAM ARGUMENT…: as the account of the service
    inside runuser -u resource-sync -- env -C /opt/resource-sync "$@"
}

manage() { product .venv/bin/python manage.py "$@"; }

eventually() { # eventually SECONDS WHAT COMMAND…
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || fail "$what"
        sleep 0.5
    done
}

healthy() { inside curl -fsS --max-time 10 http://127.0.0.1:3000/health; }

number_of_tasks() { manage list_tasks --limit 1000 --json | wc -l; }
