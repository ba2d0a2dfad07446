# Sourced by the suites: `deselect` is pytest's options for what tests.deselect in the folder HERE names, one test a line and
# the reason behind it.
# shellcheck shell=bash
read_deselected() { # read_deselected HERE PREFIX
  deselect=()
  while IFS=' ' read -r name _; do
    case "$name" in '' | '#'*) ;; *) deselect+=(--deselect "$2/$name") ;; esac
  done < "$1/tests.deselect"
}
