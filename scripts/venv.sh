# Sourced by the scripts: makes .venv with a Python that is new enough, and installs into it.

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.12 python3.13 python3.11 python3; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "Python 3.11 or newer is needed and none was found: install it, or name it with PYTHON=/path/to/python." >&2
  return 1
}

# install_into_venv WHAT: "." or ".[dev]"; skipped where it was done with the same files before.
install_into_venv() {
  local python stamp
  if [ ! -x .venv/bin/python ]; then
    python=$(find_python)
    echo "Making .venv with $("$python" --version) …"
    "$python" -m venv .venv
  fi
  stamp=$(cat pyproject.toml constraints.txt | cksum)
  # What .[dev] installs includes what . installs.
  if grep -qsxF -e "$stamp $1" -e "$stamp .[dev]" .venv/installed; then return; fi
  echo "Installing the package (some minutes the first time) …"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e "$1"
  echo "$stamp $1" >> .venv/installed
}
