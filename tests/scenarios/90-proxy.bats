# The proxy that other tests put before servers does what its rules say, and only that.
# bats file_tags=plain

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	here=$BATS_TEST_DIRNAME/..
	# As long as this shell holds its stdin, it runs.
	coproc python3 "$here/support/answers.py"
	answers=$COPROC_PID
	read -r server <&"${COPROC[0]}"
	touch rules
}

teardown() {
	local id
	for id in $answers $proxy; do kill "$id"; done
}

# Starts the proxy; its port is $port.
proxied() { # OPTION...
	python3 "$here/servers/proxy.py" --rules rules --log log "$@" "$server" >port 3>&- &
	proxy=$!
	until [ -s port ]; do sleep 0.02; done
	port=$(cat port)
}

ask() { # PATH OPTION...: the status, after what came
	curl -sS -m 5 -w '%{http_code}' "http://127.0.0.1:$port$1" "${@:2}"
}

now_ms() { date +%s%3N; }

seen() {
	curl -sS "http://127.0.0.1:$server/seen"
}

@test "without rules everything comes through as it is" {
	head -c 3000000 /dev/urandom >body
	for mode in "" --http; do
		proxied $mode
		run ask /file/a -T body
		[ "$output" = 201 ]
		curl -sS -o back "http://127.0.0.1:$port/file/a"
		cmp body back
		run ask /file/none
		[[ "$output" == *Not*404 ]]
		run ask /file/a -I
		[[ "$output" == *"Content-Length: 3000000"*200 ]]
		run ask /endless/lines
		[ "$status" -ne 0 ]
		kill "$proxy"
		wait "$proxy"
		rm port
	done
	proxied
	[ ! -s log ] || ! grep -F '[' log
}

@test "a delay is one of each way, holds nothing back, and is once more for the connection" {
	echo 'delay 100' >rules
	proxied
	since=$(now_ms)
	# 200 ms for the connection, 200 for the first exchange, 200 for each further one.
	curl -sS -o out1 "http://127.0.0.1:$port/bytes/8000000" -o out2 "http://127.0.0.1:$port/bytes/1"
	took=$(($(now_ms) - since))
	[ "$took" -ge 590 ]
	[ "$took" -lt 8000 ] # each 64 KiB held back would be 12 s
	[ "$(stat -c %s out1)" = 8000000 ]
}

@test "a rate holds in its direction alone, for all connections together" {
	echo 'rate up 500000' >rules
	proxied
	head -c 125000 /dev/zero >body
	since=$(now_ms)
	ask /file/a -T body &
	ask /file/b -T body
	wait $!
	took=$(($(now_ms) - since))
	[ "$took" -ge 450 ]
	[ "$took" -lt 8000 ]
	ask /file/a -o out
	cmp body out
	since=$(now_ms)
	ask /bytes/10000000 -o out
	[ $(($(now_ms) - since)) -lt 5000 ] # at that rate, 20 s
	[ "$(stat -c %s out)" = 10000000 ]
}

@test "connections are reset, closed, stopped and refused where the rule says" {
	proxied
	echo 'reset down 1000' >rules
	run curl -sS -o out "http://127.0.0.1:$port/bytes/5000"
	[ "$status" -eq 56 ]
	echo 'fin down 1000' >rules
	run curl -sS -o out "http://127.0.0.1:$port/bytes/5000"
	[ "$status" -eq 18 ]
	[ "$(stat -c %s out)" -lt 1000 ]
	[ "$(stat -c %s out)" -gt 800 ]
	echo 'stall down 1000' >rules
	run curl -sS -m 0.5 -o out "http://127.0.0.1:$port/bytes/5000"
	[ "$status" -eq 28 ]
	echo 'refuse n=2' >rules
	run ask /bytes/1
	[ "$output" = z200 ]
	run ask /bytes/1
	[ "$status" -ne 0 ]
	run ask /bytes/1
	[ "$output" = z200 ]
	head -c 3000000 /dev/zero >body
	echo 'reset up 100000' >rules
	run ask /file/cut -T body
	[ "$status" -ne 0 ]
	: >rules
	run ask /file/cut
	[[ "$output" == *404 ]]
	run cat log
	[ "$output" = "[reset down 1000]
[fin down 1000]
[stall down 1000]
[refuse n=2]
[reset up 100000]" ]
}

@test "one bit is another" {
	printf 'hello, world' >body
	echo 'flip up 0 n=2' >rules
	proxied --http
	ask /file/a -T body
	echo 'GET . flip 4' >rules
	run ask /file/a
	[ "$output" = "helln, world200" ]
	kill "$proxy"
	wait "$proxy"
	rm port
	echo 'flip up 0' >rules
	proxied
	ask /file/a
	seen | grep '^FET /file/a'
}

@test "statuses come as often as the rule says, and the server sees nothing of them" {
	proxied --http
	echo 'GET ^/file status 503 Retry-After:7 X-A:b n=2-3 body=<Code>slow down</Code>' >rules
	run ask /file/a
	[[ "$output" == *404 ]]
	for i in 2 3; do
		run ask /file/a -i
		[[ "$output" == *"Retry-After: 7"*"X-A: b"*"<Code>slow down</Code>503" ]]
	done
	run ask /file/a
	[[ "$output" == *404 ]]
	[ "$(seen | grep -c 'GET /file/a')" -eq 2 ]
	# A rule that is still there goes on counting.
	echo 'PUT . claim' >>rules
	run ask /file/a
	[[ "$output" == *404 ]]
	run ask /file/b -T rules
	[ "$output" = 200 ]
	run ask /file/b
	[[ "$output" == *404 ]]
	[ "$(grep -c 'GET /file/a 0 \[GET ^/file status' log)" -eq 2 ]
}

@test "what is lost was done, what is doubled was done twice, half a body is none" {
	printf 'hello, world' >body
	proxied --http
	echo 'PUT . lost' >rules
	run ask /file/a -T body
	[ "$status" -eq 52 ]
	run ask /file/a
	[ "$output" = "hello, world200" ]
	echo 'DELETE . twice' >rules
	run ask /file/a -X DELETE
	[ "$output" = 204 ]
	[ "$(seen | grep -c 'DELETE /file/a')" -eq 2 ]
	echo 'PUT . half 5' >rules
	run ask /file/half -T body
	[ "$status" -ne 0 ]
	: >rules
	run ask /file/half
	[[ "$output" != *world* ]]
}

@test "answers are cut, shortened, stripped, slow and stale" {
	printf 'hello, world' >body
	proxied --http
	ask /file/a -T body
	echo 'GET . cut 5' >rules
	run curl -sS "http://127.0.0.1:$port/file/a"
	[ "$status" -eq 18 ]
	[[ "$output" == *hello* ]]
	[[ "$output" != *world* ]]
	echo 'GET . short 5' >rules
	run ask /file/a
	[ "$output" = hello200 ]
	echo 'PUT . strip ETAG' >rules
	run ask /file/a -i -T body
	[[ "$output" != *[Ee][Tt]ag* ]]
	: >rules
	run ask /file/a -i -T body
	[[ "$output" == *ETag* ]]
	echo 'GET . stale' >rules
	printf 'newer' >body
	ask /file/a -T body
	run ask /file/a
	[ "$output" = "hello, world200" ]
	printf '%s\n' 'GET bytes drip 2000' 'GET file wait 300' >rules
	since=$(now_ms)
	run ask /bytes/1000
	[ $(($(now_ms) - since)) -ge 450 ]
	since=$(now_ms)
	run ask /file/a
	[ "$output" = newer200 ]
	[ $(($(now_ms) - since)) -ge 290 ]
}

@test "a chance is taken as often as it says" {
	echo 'GET . status 500 p=0.5' >rules
	proxied --http
	for i in $(seq 40); do echo "url = \"http://127.0.0.1:$port/bytes/1\""; done >urls
	failed=$(curl -sS -K urls -w '%{http_code}\n' | grep -c 500)
	[ "$failed" -gt 5 ]
	[ "$failed" -lt 35 ]
}

@test "each fourth is each fourth; redirects, floods, headers, silence and closed connections are made here" {
	printf 'hello, world' >body
	proxied --http
	ask /file/a -T body
	echo 'GET . status 500 every=4' >rules
	for i in 1 2 3; do
		run ask /file/a
		[ "$output" = "hello, world200" ]
	done
	run ask /file/a
	[ "$output" = 500 ]
	printf '%s\n' 'GET a redirect 307' 'GET b redirect 302 http://other:1' >rules
	run ask '/file/a?x=1' -i
	[[ "$output" == *"Location: http://127.0.0.1:$port/file/a?x=1"*307 ]]
	run ask /file/b -i
	[[ "$output" == *"Location: http://other:1/file/b"*302 ]]
	printf '%s\n' 'GET a flood 300000 body=word' 'GET b headers 3' 'GET c drop' 'PUT d mute' >rules
	curl -sS "http://127.0.0.1:$port/file/a" | tr -d wrdo >out
	[ ! -s out ]
	run ask /file/a -o out
	[ "$(stat -c %s out)" = 300000 ]
	run ask /file/b -i
	[ "$(grep -c X-Filler <<<"$output")" -eq 3 ]
	run ask /file/c
	[ "$status" -eq 52 ]
	run curl -sS -m 0.5 "http://127.0.0.1:$port/file/d" -T body
	[ "$status" -eq 28 ]
	run ask /file/d
	[ "$output" = "hello, world200" ]
}

@test "what goes up is changed and cut, what comes down is another's" {
	printf 'hello, world' >body
	printf 'another' >other
	proxied --http
	printf '%s\n' 'PUT a damage 4' 'PUT b part 5' >rules
	ask /file/a -T body
	ask /file/b -T body
	run ask /file/a
	[ "$output" = "helln, world200" ]
	run ask /file/b
	[ "$output" = hello200 ]
	echo 'GET file foreign' >rules
	run ask /file/b
	[ "$output" = "helln, world200" ]
}
