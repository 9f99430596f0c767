#!/usr/bin/env bash
# Compares three ways from a client to a server of one machine: direct, through socat, and through `smolsh proxy` without faults.
#
#   go build -o /tmp/smolsh ./cmd/smolsh && cmd/smolsh/proxy/testdata/speed.sh /tmp/smolsh [ROUNDS]
#
# The ways take turns, so that other load slows all of them. Prints the median of each. Needs root or user namespaces, and nginx, redis-server,
# redis-benchmark, curl and socat. All processes are in a network namespace that ends with them.
set -euo pipefail
smolsh=$(realpath "$1") rounds=${2:-7}
[ -n "${INSIDE:-}" ] || INSIDE=1 exec unshare --user --map-root-user --net --pid --fork --kill-child --mount-proc "$0" "$smolsh" "$rounds"

ip link set lo up
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
head -c 512M /dev/zero >"$dir/file"
cat >"$dir/nginx.conf" <<END
user root; daemon off; master_process off; worker_processes 1; pid $dir/pid; error_log stderr;
events { worker_connections 64; }
http { access_log off; sendfile on; client_body_temp_path $dir; proxy_temp_path $dir; fastcgi_temp_path $dir; uwsgi_temp_path $dir; scgi_temp_path $dir;
server { listen 127.0.0.1:8000; root $dir; } }
END
nginx -p "$dir" -c "$dir/nginx.conf" &
redis-server --bind 127.0.0.1 --port 6000 --save '' --dir "$dir" >"$dir/redis.log" &
for port in 8000 6000; do
	socat "TCP-LISTEN:$((port + 1)),bind=127.0.0.1,fork,reuseaddr,nodelay" "TCP:127.0.0.1:$port,nodelay" &
done
"$smolsh" proxy --metrics 9100 8002=8000 6002=6000 >"$dir/proxy.log" &
curl -sf -o /dev/null -r 0-0 --retry 5 --retry-all-errors --retry-delay 1 http://127.0.0.1:8000/file
curl -sf -o /dev/null -r 0-0 --retry 5 --retry-all-errors --retry-delay 1 http://127.0.0.1:8002/file

# fill SIZE makes the value that GET returns SIZE octets long.
fill() { redis-benchmark -p 6000 -c 1 -n 1 -d "$1" -t set --csv >"$dir/fill.log"; }

# rate OPTIONS... prints redis-benchmark's requests per second.
rate() { redis-benchmark --csv "$@" | awk -F'"' 'END { print $4 }'; }

# measure WHAT WAY: WAY is 0 for direct, 1 for socat, 2 for smolsh.
measure() {
	case $1 in
	'nginx, 512 MiB to curl, MB/s') curl -s -o /dev/null -w '%{speed_download}' "http://127.0.0.1:800$2/file" | awk '{ print $1 / 1e6 }' ;;
	'redis, GET of 1 MB, MB/s') fill 1000000 && rate -p "600$2" -c 1 -n 300 -d 1000000 -t get ;;
	'redis, SET of 1 MB, MB/s') rate -p "600$2" -c 1 -n 300 -d 1000000 -t set ;;
	'redis, GET of 3 octets, 1 client, 1/s') fill 3 && rate -p "600$2" -c 1 -n 5000 -t get ;;
	'redis, GET of 3 octets, 50 clients, 1/s') fill 3 && rate -p "600$2" -c 50 -n 20000 -t get ;;
	'redis, SET, 50 clients, 64 at a time, 1/s') rate -p "600$2" -c 50 -n 300000 -P 64 -t set ;;
	esac
}

whats=('nginx, 512 MiB to curl, MB/s' 'redis, GET of 1 MB, MB/s' 'redis, SET of 1 MB, MB/s' 'redis, GET of 3 octets, 1 client, 1/s'
	'redis, GET of 3 octets, 50 clients, 1/s' 'redis, SET, 50 clients, 64 at a time, 1/s')
for ((round = 0; round < rounds; round++)); do
	for i in "${!whats[@]}"; do
		for way in 0 1 2; do
			measure "${whats[i]}" $way >>"$dir/$i.$way"
		done
	done
done
median() { sort -g "$1" | awk '{ v[NR] = $1 } END { printf "%.5g", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
echo '| | direct | socat | smolsh proxy | beside socat |'
echo '|---|---|---|---|---|'
for i in "${!whats[@]}"; do
	m=()
	for way in 0 1 2; do m+=("$(median "$dir/$i.$way")"); done
	echo "| ${whats[i]} | ${m[0]} | ${m[1]} | ${m[2]} | $(awk "BEGIN { printf \"%.2f\", ${m[2]} / ${m[1]} }")× |"
done
