# For other scripts: install_packages PACKAGE... installs packages where it may (root, apt), else it says which, and ends.
# $APT_OPTIONS are added to apt-get's.

install_packages() {
    if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        echo "Installing $* ..."
        apt-get update -qq
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq ${APT_OPTIONS-} "$@" > /dev/null
    else
        echo "Please install: $*   (for example: sudo apt-get install $*)" >&2
        exit 1
    fi
}
