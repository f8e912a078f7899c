# bats file_tags=serial
load common

# The manual says what the command table says.
setup() {
	fresh_home
	man=$BATS_TEST_DIRNAME/../../man
}

page() {
	mandoc -T ascii -O width=500 "$man/$1.1" | sed 's/.\x08//g'
}

# "--option" of all options a page explains, sorted.
options_of_page() {
	sed -n 's/^\.It \(Fl [A-Za-z] , \)\?Fl -\([a-z-]*\).*/\2/p' "$man/$1.1" | sort -u
}

options_of_help() {
	"$MRMR" help "$@" | sed -n 's/^  \(-[A-Za-z],\|   \) --\([a-z-]*\).*/\2/p'
}

@test "each command has a page whose synopsis is the usage line" {
	while read -r command; do
		usage=$("$MRMR" help $command | sed '/^$/,$d' | tr -s ' \n' ' ')
		usage=${usage#usage: }
		page "mrmr-${command%% *}" | sed -n '/^SYNOPSIS/,/^DESCRIPTION/s/^ *//p' >synopsis
		grep -Fxq -- "${usage% }" synopsis || {
			echo "table:  $usage"
			cat synopsis
			false
		}
	done < <(commands_of_the_table)
}

@test "each page explains the options its commands have, and no others" {
	while read -r first; do
		while read -r command; do
			options_of_help $command
		done < <(commands_of_the_table | grep -E "^$first( |\$)") | sort -u >table
		options_of_page "mrmr-$first" >explained
		diff table explained
	done < <(commands_of_the_table | sed 's/ .*//' | sort -u)
}

@test "each option's letter and value are the same in help and manual" {
	while read -r command; do
		while read -r option; do
			letter=${option%%,*}
			page "mrmr-${command%% *}" | grep -Fq -- "     $option" || {
				echo "$command: $option"
				false
			}
		done < <("$MRMR" help $command | sed -n 's/^ *\(-.*\)/\1/p' | sed 's/   *.*//')
	done < <(commands_of_the_table)
}

@test "mrmr(1) explains all global options and lists every page" {
	"$MRMR" help | sed -n 's/^  \(-[A-Za-z],\|   \) --\([a-z-]*\).*/\2/p' | sort -u >table
	options_of_page mrmr >explained
	diff table explained
	while read -r command; do
		grep -q "^\.It Xr mrmr-${command%% *} 1\$" "$man/mrmr.1"
	done < <(commands_of_the_table)
}

@test "mrmr(1) explains every exit code of the program" {
	sed -n 's/^\tEXIT_[A-Z_]* = \([0-9]*\),.*/\1/p' "$BATS_TEST_DIRNAME/../../cmd/exit.h" |
		sort -n >program
	sed -n '/^\.Sh EXIT STATUS/,/^\.El/s/^\.It \([0-9]*\)$/\1/p' "$man/mrmr.1" >explained
	[ "$(wc -l <program)" -ge 17 ]
	diff program explained
}

@test "each reference from page to page leads somewhere" {
	grep -ho '^\.Xr mrmr[a-z-]* [157]\|^\.It Xr mrmr[a-z-]* [157]' "$man"/*.[157] |
		sed 's/^\.It //' | sort -u | while read -r _ name section; do
		[ -e "$man/$name.$section" ] || { echo "$name($section)"; exit 1; }
	done
}
