#!/bin/sh
# Plays chexp-agent where it matters what chexp does with many boards: it speaks the agent's protocol, and its result
# is one that a real agent measured once. What may stand behind the last line makes the file larger.
seconds=SECONDS trial=tiny.cpu.t1.b1.r1 # of measuring
verb=$1 dir=$2 since=$4
out=$dir/out
events=$out/events.jsonl
say() {
	seq=$((seq + 1))
	echo '{"schema":"chexp.event/v1","seq":'$seq',"time":"'$(date -u +%Y-%m-%dT%H:%M:%SZ)'",'"$1"',"total":1}' >>"$events"
}
id=$(sed -n 's/^  "run_id": "\(.*\)",$/\1/p' "$dir/plan.json")
play() {
	seq=0
	say '"type":"run_started"'
	say '"type":"trial_started","trial":"'$trial'","index":1'
	left=$seconds
	while [ $left -gt 0 ]; do
		sleep 5
		left=$((left - 5))
		say '"type":"progress","trial":"'$trial'","index":1'
	done
	sed "s/RUN_ID/$id/; s/TIME/$(date -u +%Y-%m-%dT%H:%M:%SZ)/g" >"$out/part" <<'END'
RESULT
END
	sum=$(sha256sum <"$out/part")
	mv "$out/part" "$out/results/$trial.json"
	(cd "$out/results" && sha256sum $trial.json >SHA256SUMS)
	say '"type":"trial_finished","trial":"'$trial'","index":1,"outcome":"ok","sha256":"'${sum%% *}'"'
	echo finished >"$out/phase"
	say '"type":"run_finished"'
}
mkdir -p "$out/results"
: >>"$events"
case $verb in
start)
	if [ ! -e "$out/phase" ]; then
		echo running >"$out/phase"
		# An execute lasts for as long as anybody holds its output.
		(exec >"$out/agent.log" 2>&1 </dev/null && play) &
		echo $! >"$out/pid"
	fi
	;;
stop)
	if [ -e "$out/phase" ] && grep -q running "$out/phase"; then
		kill "$(cat "$out/pid")"
		echo stopped >"$out/phase"
		why=',"why":{"code":"stopped"}'
	fi
	;;
status) tail -n +$((since + 1)) "$events" ;;
esac
phase=not_started
[ -e "$out/phase" ] && phase=$(cat "$out/phase")
last=$(wc -l <"$events")
echo '{"state":{"schema":"chexp.event/v1","run_id":"'$id'","phase":"'$phase'","last_seq":'$last',"total":1'$why'}}'
exit 0
