# shellcheck shell=bash
command_fault() { fail "not yet"; }
heal_all_quietly() { :; }
