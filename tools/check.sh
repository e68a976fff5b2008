#!/usr/bin/env bash
# The steps of the Makefile that take more than one command: tools/check.sh STEP [ARG...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
	printf 'FAILED: %s\n' "$*" >&2
	exit 1
}

# files lists the files of that name in the tree: those that git has or would add; without git, those on the disk.
files() {
	local list file
	list=$(git ls-files --cached --others --exclude-standard -- "$1" "*/$1" 2>/dev/null) || list=
	[[ -n $list ]] || list=$(find . -name "$1" -not -path '*/.*/*' -not -path '*/node_modules/*')
	while IFS= read -r file; do
		if [[ -f $file ]]; then printf '%s\n' "$file"; fi
	done <<<"$list"
}

# modules lists the directories that have a go.mod, the root first.
modules() {
	files go.mod | while IFS= read -r file; do dirname "$file"; done | LC_ALL=C sort
}

# code_modules lists those of them that have Go code.
code_modules() {
	modules | while IFS= read -r dir; do
		packages=$(go list -C "$dir" ./... 2>/dev/null) || fail "go list in $dir: $(go list -C "$dir" ./... 2>&1)"
		if [[ -n $packages ]]; then printf '%s\n' "$dir"; fi
	done
}

# within runs a command in a module and says which, unless it is the root.
within() {
	local dir=$1
	shift
	[[ $dir == . ]] || echo "-- $dir"
	(cd "$dir" && "$@") || fail "$(basename "$1") ${*:2} (in $dir)"
}

# each runs a command in every module that has Go code.
each() {
	local all dir
	all=$(code_modules)
	while IFS= read -r dir <&3; do
		within "$dir" "$@"
	done 3<<<"$all"
}

step_gofmt() {
	local list
	list=$(gofmt -l .) || fail 'gofmt cannot read the files above'
	[[ -z $list ]] || fail "not formatted, run make fmt:"$'\n'"$list"
}

# What users compile is the standard library, golang.org/x/oauth2 and us; test dependencies are two.
step_imports() {
	local self os found
	self=$(go list -m)
	for os in linux darwin windows; do
		found=$(GOOS=$os go list -deps -f '{{if not .Standard}}{{$p := .ImportPath}}{{range .Imports}}{{$p}} {{.}}{{"\n"}}{{end}}{{end}}' ./... |
			awk -v self="$self/" '
				function ours(path) { return index(path "/", self) == 1 || index(path "/", "golang.org/x/oauth2/") == 1 }
				{ split($2, part, "/") } # only the standard library has no dot here
				ours($1) && !ours($2) && part[1] ~ /\./ { print $1 " imports " $2 }') || fail 'go list'
		[[ -z $found ]] || fail "not for code outside of tests (GOOS=$os):"$'\n'"$found"
	done
	found=$(go list -m -f '{{if not (or .Main .Indirect)}}{{.Path}}{{end}}' all |
		awk '!/^(golang\.org\/x\/oauth2|github\.com\/stretchr\/testify|github\.com\/jarcoal\/httpmock|)$/') || fail 'go list -m'
	[[ -z $found ]] || fail "the root go.mod may not require:"$'\n'"$found"
	! grep -E '^(tool|replace|toolchain)' go.mod || fail 'the root go.mod may not have such lines'
}

step_tidy() {
	local all dir
	all=$(modules)
	while IFS= read -r dir <&3; do
		within "$dir" go mod tidy -diff
	done 3<<<"$all"
}

# The figure is of the root package and comes from its own tests, those in package intercomrbac_test included.
step_cover() {
	local percent
	go test -coverpkg=. -coverprofile=coverage.out . || fail 'the tests'
	percent=$(go tool cover -func=coverage.out | awk '$1 == "total:" { print $3 + 0 }')
	echo "coverage: $percent % of the root package, at least $1 % wanted"
	awk -v got="$percent" -v want="$1" 'BEGIN { exit !(got >= want) }' || fail "coverage $percent % is below $1 %"
}

# Every target that the source has must be one that go test lists, and must have been executed.
step_fuzz() {
	local time=$1 all dir list targets='' pkg name missing
	all=$(code_modules)
	while IFS= read -r dir <&3; do
		list=$(go test -C "$dir" -list '^Fuzz' ./... 2>&1) || fail "go test -list in $dir:"$'\n'"$list"
		targets+=$(awk -v dir="$dir" '/^Fuzz/ { name[++n] = $1 } /^ok/ { for (; n; n--) print dir, $2, name[n] }' <<<"$list")$'\n'
	done 3<<<"$all"
	missing=$(comm -23 <(source_targets | sort) <(awk '{ print $3 }' <<<"$targets" | sort))
	[[ -z $missing ]] || fail "fuzz targets that the source has and go test does not list:"$'\n'"$missing"
	while read -r dir pkg name <&3; do
		[[ -z $name ]] || fuzz_one "$dir" "$pkg" "$name" "$time"
	done 3<<<"$targets"
}

source_targets() {
	files '*_test.go' | grep -Ev '(^|/)(testdata|[._][^/]+)/' | tr '\n' '\0' |
		xargs -0 sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\([A-Za-z0-9_]+ \*testing\.F\).*/\1/p'
}

# fuzz_one starts from the seeds alone, so that a run does not depend on what earlier ones left in Go's cache.
fuzz_one() {
	local dir=$1 pkg=$2 name=$3 time=$4 tmp=$PWD/bin/fuzz log=$PWD/bin/fuzz/log input try
	echo "-- $name in $pkg"
	for try in 1 2; do
		rm -rf "$tmp" && mkdir -p "$tmp"
		go test -C "$dir" -run='^$' -fuzz="^$name\$" -fuzztime="$time" -fuzzminimizetime=1s "$pkg" -args -test.fuzzcachedir="$tmp" 2>&1 | tee "$log" && break
		input=$(sed -nE 's/^ *Failing input written to (.*)/\1/p' "$log")
		[[ -z $input ]] || cat "$(go list -C "$dir" -f '{{.Dir}}' "$pkg")/$input"
		# go test -fuzz now and then takes the end of its time for a failure: that alone is tried once more.
		[[ $try == 1 && -z $input ]] && grep -qx ' *context deadline exceeded' "$log" || fail "$name in $pkg"
	done
	grep -Eq '^fuzz: elapsed: .*execs: [1-9]' "$log" || fail "$name in $pkg fuzzed nothing"
}

# The tests at full counts. Each test that calls soak.Report adds a line to the report.
step_soak() {
	export INTERCOMRBAC_SOAK=1 INTERCOMRBAC_SOAK_REPORT=$PWD/bin/soak.txt
	mkdir -p bin
	: >"$INTERCOMRBAC_SOAK_REPORT"
	trap soak_table EXIT
	each go test -count=1 -timeout 45m ./...
	echo "== fuzz targets, $1 each"
	step_fuzz "$1"
	[[ -s $INTERCOMRBAC_SOAK_REPORT ]] || fail 'no test reported a promise'
}

soak_table() {
	echo "== what the soak showed in $((SECONDS / 60)) min $((SECONDS % 60)) s"
	sort "$INTERCOMRBAC_SOAK_REPORT"
}

step=$1
shift
if [[ $step == each ]]; then each "$@"; else "step_$step" "$@"; fi
