#!/usr/bin/env bash
# Compares the goodput from nginx to curl under loss: through `smolsh proxy --loss`, and between two kernels of which iptables drops packets.
#
#   go build -o /tmp/smolsh ./cmd/smolsh && cmd/smolsh/proxy/testdata/loss.sh /tmp/smolsh [ROUNDS [DELAY_MS [OCTETS [LOSSES]]]]
#
# The kernels are two network namespaces, joined by a line in user space (delay.py), since a kernel may lack netem. Each end drops packets that
# arrive, at random. All use CUBIC on the lossy path. The sides take turns; the table has medians in kB/s. Needs root, /dev/net/tun, nginx,
# curl, iptables, python3. All processes are in namespaces that end with them.
set -euo pipefail
here=$(dirname "$(realpath "$0")") smolsh=$(realpath "$1") rounds=${2:-5} delay=${3:-10} octets=${4:-4000000} losses=${5:-0 0.5 1 2 5}
[ -n "${INSIDE:-}" ] || INSIDE=1 exec unshare --mount --net --pid --fork --kill-child --mount-proc "$0" "$smolsh" "$rounds" "$delay" "$octets" "$losses"

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
head -c "$octets" /dev/zero >"$dir/file"
cat >"$dir/nginx.conf" <<END
user root; daemon off; master_process off; worker_processes 1; pid $dir/pid; error_log stderr;
events { worker_connections 64; }
http { access_log off; sendfile on; client_body_temp_path $dir; proxy_temp_path $dir; fastcgi_temp_path $dir; uwsgi_temp_path $dir; scgi_temp_path $dir;
server { listen 8000; root $dir; } }
END
unshare --net sleep infinity & # the client's namespace
client=$!
until [ "$(readlink "/proc/$client/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
there() { nsenter --target "$client" --net "$@"; }
python3 "$here/delay.py" "$client" "$(awk "BEGIN { print $delay / 1000 }")" &
for _ in {1..100}; do there ip link show line >/dev/null 2>&1 && break || sleep 0.05; done
# end ADDRESS COMMAND... sets up an end; COMMAND runs a program there.
end() {
	local addr=$1
	shift
	"$@" ip link set lo up
	"$@" ip addr add "$addr" dev line
	"$@" ip link set line up
	"$@" ip route replace 192.0.2.0/24 dev line congctl cubic
}
end 192.0.2.1/24
end 192.0.2.2/24 there
nginx -p "$dir" -c "$dir/nginx.conf" &
curl -sf -o /dev/null --retry 5 --retry-all-errors --retry-delay 1 http://127.0.0.1:8000/file

fetch='curl -s -m 120 -o /dev/null -w %{speed_download}\n'
flags=()
[ "$delay" = 0 ] || flags=(--delay "${delay}ms")
for ((round = 0; round < rounds; round++)); do
	for loss in $losses; do
		share=$(awk "BEGIN { print $loss / 100 }")
		"$smolsh" proxy --loss "$loss%" "${flags[@]}" 8001=8000 >"$dir/proxy.$round.$loss" &
		proxy=$!
		until grep -qs ready "$dir/proxy.$round.$loss"; do sleep 0.05; done
		$fetch http://127.0.0.1:8001/file >>"$dir/smolsh.$loss"
		kill $proxy
		wait $proxy || true
		for at in '' there; do $at iptables -I INPUT -i line -m statistic --mode random --probability "$share" -j DROP; done
		there $fetch http://192.0.2.1:8000/file >>"$dir/kernel.$loss"
		for at in '' there; do $at iptables -D INPUT 1; done
	done
	echo "round $((round + 1)) of $rounds" >&2
done
median() { sort -g "$1" | awk '{ v[NR] = $1 / 1e3 } END { printf "%.0f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
echo '| loss each way | smolsh proxy | kernel to kernel | ratio |'
echo '|---|---|---|---|'
for loss in $losses; do
	a=$(median "$dir/smolsh.$loss") b=$(median "$dir/kernel.$loss")
	echo "| $loss % | $a | $b | $(awk "BEGIN { printf \"%.2f\", $a / $b }") |"
done
