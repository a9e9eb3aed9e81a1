#!/usr/bin/env bash
# Checks and measures E2H on one GPU, in pieces of under ten minutes. It needs neither Rust nor a network.
#
#   ./run.sh OUT             runs what is not done yet, as far as E2H_SECONDS reach; run it again to go on
#   ./run.sh --dry-run       prints the pieces and how long each may take
#
# Exit code: 0 all pieces are done, 1 a piece failed, 3 pieces are left.
# OUT gets gpu.json with every piece that is done, kept.tar.gz with the logs and tables of the trainings, and what another
# machine goes on from when it lies beside this file: state.tar.gz (the pieces that are done) and kernels.tar.gz.
#
#   E2H_DEVICE       cuda (default), cuda:1, cpu
#   E2H_SIZE         full (default), or tiny: the same commands on work of seconds, to try the script on a CPU
#   E2H_SECONDS      no piece starts that may take longer than what is left of these seconds (default 570)
#   E2H_STATE        what has been done so far (default: state beside this file)
#   E2H_ONLY         a pattern of pieces, for example 'golden-*|bench-*'
#   E2H_MODEL        a folder with SmolLM2-135M-Instruct for the trainings; without it the parts in model-*, here or beside
#                    this folder, are put together
#   E2H_PEER_PYTHON  a Python with torch, transformers, trl, peft and datasets, to run peer_grpo_step.py in turn
set -uo pipefail
shopt -s extglob
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dry=no
out=out
for word in "$@"; do
    if [[ $word == --dry-run ]]; then dry=yes; else out=$word; fi
done
device=${E2H_DEVICE:-cuda}
size=${E2H_SIZE:-full}
state=${E2H_STATE:-$here/state}
only="@(${E2H_ONLY:-*})"
deadline=$((SECONDS + ${E2H_SECONDS:-570}))
failed=0 left=0 total=0
# The least seconds that a training is begun with.
least=90

if [[ $dry == no ]]; then
    mkdir -p "$state" "$out"
    export E2H_KERNEL_CACHE=${E2H_KERNEL_CACHE:-$state/kernels}
    for archive in "$here"/state.tar.gz "$here"/kernels.tar.gz; do
        [[ -e $archive && ! -e $state/.${archive##*/} ]] && tar -xzf "$archive" -C "$state" && : >"$state/.${archive##*/}"
    done
    e2h=${E2H_BINARY:-$state/e2h}
    if [[ ! -x $e2h ]]; then
        cat "$here"/e2h.gz.* | gunzip >"$e2h.new" && chmod +x "$e2h.new" && mv "$e2h.new" "$e2h" || exit 1
    fi
else
    e2h=e2h
fi

# A text as a JSON string.
quoted() {
    local text
    text=$(tr '\n\t\r' '   ' | tr -d '\000-\037')
    text=${text//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}

# Watches the card's memory while a piece runs; leaves the most that was used, in MiB.
watch_memory() {
    local most=0 used
    while used=$(nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits 2>/dev/null | head -n1); do
        [[ $used =~ ^[0-9]+$ ]] && ((used > most)) && most=$used && echo "$most" >"$1"
        sleep 1
    done
}

# True when a piece is wanted, is not done, and fits in the time that is left.
may_start() {
    local name=$1 seconds=$2
    # shellcheck disable=SC2254
    case $name in $only) ;; *) return 1 ;; esac
    total=$((total + seconds))
    if [[ $dry == yes ]]; then
        printf '%-34s %4s s  ' "$name" "$seconds"
        return 0
    fi
    [[ -e $state/$name.json ]] && return 1
    if ((SECONDS + seconds > deadline)); then
        left=$((left + 1))
        return 1
    fi
    return 0
}

# piece NAME SECONDS COMMAND..: runs a command that prints JSON, and keeps what it printed.
piece() {
    local name=$1 seconds=$2
    shift 2
    may_start "$name" "$seconds" || return 0
    if [[ $dry == yes ]]; then
        echo "$*"
        return 0
    fi
    run_piece "$name" "$seconds" "" "$@"
}

# training NAME SECONDS RUN ARGUMENTS..: a run of `e2h train` that goes on where it was stopped; its summary is kept.
training() {
    local name=$1 seconds=$2 run=$state/runs/$3
    shift 3
    # A training can be stopped at any step, so it may begin with less time than it would take.
    local rest=$((deadline - SECONDS))
    [[ $dry == no ]] && ((rest >= least && rest < seconds)) && seconds=$rest
    may_start "$name" "$seconds" || return 0
    local command=("$e2h" train --quiet --run-dir "$run" "$@" --device "$device")
    [[ $dry == no && -e $run/config.toml ]] && command=("$e2h" train --quiet --resume "$run" --device "$device")
    if [[ $dry == yes ]]; then
        echo "${command[*]}"
        return 0
    fi
    run_piece "$name" "$seconds" "$run/summary.json" "${command[@]}"
}

# run_piece NAME SECONDS RESULT COMMAND..: RESULT is the file that holds the result, or empty for the standard output.
run_piece() {
    local name=$1 seconds=$2 result=$3
    shift 3
    echo "$name: $*" >&2
    rm -f "$state/$name.memory"
    watch_memory "$state/$name.memory" &
    local watcher=$! start=$SECONDS
    # An interrupt lets a training save itself; what does not heed it ends a little later.
    timeout -s INT -k 30 "$seconds" "$@" >"$state/$name.stdout" 2>"$state/$name.stderr"
    local code=$?
    kill "$watcher" 2>/dev/null
    wait "$watcher" 2>/dev/null
    if [[ $code == 130 || $code == 124 ]] && [[ -n $result ]]; then
        echo "$name: stopped for now" >&2
        left=$((left + 1))
        return 0
    fi
    [[ -z $result ]] && result=$state/$name.stdout
    local value=null memory=null
    [[ -e $state/$name.memory ]] && memory=$(cat "$state/$name.memory")
    if [[ $(head -c1 "$result" 2>/dev/null) == '{' ]]; then
        value=$(cat "$result")
    elif grep -q '^{.*}$' "$result" 2>/dev/null; then
        value=$(grep '^{.*}$' "$result" | tail -n1)
    fi
    {
        printf '{"piece":"%s","code":%d,"seconds":%d,"peak_gpu_mib":%s,' "$name" "$code" $((SECONDS - start)) "$memory"
        printf '"command":%s,"stderr":%s,"result":%s}\n' "$(echo "$*" | sed "s#$state/##g" | quoted)" \
            "$(tail -c 1500 "$state/$name.stderr" | tr '\n' ' ' | quoted)" "$value"
    } >"$state/$name.new"
    # A comparison that is over its tolerance is a result too.
    if [[ $code == 0 || ( $name == golden-* && $value != null ) ]]; then
        mv "$state/$name.new" "$state/$name.json"
    else
        # A piece that failed is tried again the next time.
        mv "$state/$name.new" "$state/$name.failed"
        failed=$((failed + 1))
        echo "$name: failed with code $code: $(tail -n 3 "$state/$name.stderr" | tr '\n' ' ')" >&2
    fi
}

# peer NAME SECONDS ARGUMENTS..: the same work by TRL, where there is a Python that has it.
peer() {
    local name=$1 seconds=$2
    shift 2
    [[ -n ${E2H_PEER_PYTHON:-} && -e $here/peer_grpo_step.py ]] || return 0
    piece "$name" "$seconds" "$E2H_PEER_PYTHON" "$here/peer_grpo_step.py" "$@"
}

# Commands that print JSON only as a result of something else.
play() { "$e2h" tasks play --preset "gpu/$1" -n "$2" >"$state/play-$1.jsonl.new" && mv "$state/play-$1.jsonl.new" "$state/play-$1.jsonl"; }

bench() { piece "$1" "$2" "$e2h" bench --device "$device" --json "${@:3}"; }

# The files that a packed model is in, in their order.
parts() { compgen -G "$here/model-*/part.*" || compgen -G "$here/../model-*/part.*"; }

# The folder of the model that the real trainings start from.
model() {
    if [[ -n ${E2H_MODEL:-} || $dry == yes ]]; then
        echo "${E2H_MODEL:-MODEL}"
    elif [[ -e $state/model/config.json ]]; then
        echo "$state/model"
    elif [[ -n $(parts) ]]; then
        mkdir -p "$state/model.new"
        parts | tr '\n' '\0' | xargs -0 cat | gunzip | tar -x -C "$state/model.new" &&
            mv "$state/model.new" "$state/model" && echo "$state/model"
    fi
}

peer_args=(--device cuda)
[[ $device == cpu ]] && peer_args=(--device cpu)
if [[ $size == tiny ]]; then
    small=(--prompts 2 --group 2 --prompt-tokens 6 --completion 5 --steps 1 --engine burn)
    short=(--set train.steps=2 --set train.prompts=2 --set train.group_size=2 --set train.sampling.max_tokens=8
        --set data.problems_per_level=8 --set eval.problems_per_level=1 --set model.engine=\"burn\")
    piece doctor 60 "$e2h" doctor --json
    piece golden-f32 120 "$e2h" golden "$here/goldens" --device "$device" --dtype f32 --json
    piece golden-bf16 120 "$e2h" golden "$here/goldens" --device "$device" --dtype bf16 --json
    bench bench-nano-f32 60 "${small[@]}"
    bench bench-nano-lora-bf16 60 "${small[@]}" --dtype bf16 --lora --gradient-checkpointing
    training train-short 120 short --preset countdown-nano "${short[@]}"
    bases=(embedded:countdown-nano embedded:blocksworld-nano)
    plays=4 sft=(--epochs 1 --batch 2 --set model.engine=\"burn\" --set 'model.lora.targets=["q_proj"]') short+=(--set train.lr=1e-3)
    schedules="balanced only" long=100
else
    lora=(--dtype bf16 --lora --gradient-checkpointing)
    piece doctor 60 "$e2h" doctor --json
    piece golden-f32 200 "$e2h" golden "$here/goldens" --device "$device" --dtype f32 --json
    piece golden-bf16 200 "$e2h" golden "$here/goldens" --device "$device" --dtype bf16 --json
    bench bench-1.5b-decode-64 240 --preset qwen2.5-1.5b --dtype bf16 --parts limits,decode
    peer peer-1.5b 300 --preset qwen2.5-1.5b --lora --steps 2 --micro 8 "${peer_args[@]}"
    bench bench-1.5b-step-64 300 --preset qwen2.5-1.5b "${lora[@]}" --steps 2
    bench bench-1.5b-decode-512 300 --preset qwen2.5-1.5b --dtype bf16 --parts limits,decode --prompts 64 --steps 1
    bench bench-smollm2-512x256 240 --preset smollm2-135m "${lora[@]}" --prompts 64 --completion 256 --shared-prompts --token-budget 32768
    peer peer-smollm2-512x256 300 --preset smollm2-135m --lora --prompts 64 --completion 256 --steps 1 --micro 64 "${peer_args[@]}"
    bench bench-3b-step 300 --preset qwen2.5-3b "${lora[@]}" --steps 1 --token-budget 4096
    training train-short 300 short --preset countdown-nano --set train.steps=20 --set eval.problems_per_level=50
    bases=()
    plays=6000 sft=(--epochs 1 --batch 64 --lr 2e-4) short=()
    schedules="balanced gaussian e2h-a cosine only" long=540
    if [[ -n ${E2H_MODEL:-} || $dry == yes ]] || [[ -n $(parts) || -e $state/model/config.json ]]; then
        base=$(model)
        bases=("$base" "$base")
    fi
fi

# The real result: a base that plays legally at random, then one run a schedule.
tasks=(countdown blocksworld)
for index in "${!bases[@]}"; do
    task=${tasks[$index]}
    if [[ $dry == no && ! -e $state/play-$task.jsonl ]]; then play "$task" "$plays" || failed=$((failed + 1)); fi
    # What a stopped fine-tuning has written is not a model.
    [[ $dry == no && ! -e $state/sft-$task.json ]] && rm -rf "$state/base-$task"
    piece "sft-$task" "$long" "$e2h" sft "$state/play-$task.jsonl" --preset "gpu/$task" -m "${bases[$index]}" \
        --out "$state/base-$task" --device "$device" "${sft[@]}"
    [[ $dry == yes || -e $state/sft-$task.json ]] || continue
    for schedule in $schedules; do
        level=()
        [[ $schedule == only ]] && level=(--set schedule.level=3)
        training "train-$task-$schedule" "$long" "$task-$schedule" --preset "gpu/$task" -m "$state/base-$task" \
            --schedule "$schedule" "${level[@]}" "${short[@]}"
    done
done

if [[ $dry == yes ]]; then
    echo "in all at most $total s"
    exit 0
fi

card=$(nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader 2>/dev/null | head -n1)
processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n1)
{
    printf '{"device":"%s","size":"%s","card":%s,"processor":%s,"date":"%s","commit":%s,"left":%d,"failed":%d,"pieces":[\n' \
        "$device" "$size" "$(echo "$card" | quoted)" "$(echo "$processor" | quoted)" "$(date -u +%F)" \
        "$(cat "$here/commit" 2>/dev/null | quoted)" "$left" "$failed"
    first=yes
    for file in "$state"/*.json "$state"/*.failed; do
        [[ -e $file ]] || continue
        # A piece that failed once and then succeeded is done.
        [[ $file == *.failed && -e ${file%.failed}.json ]] && continue
        [[ $first == yes ]] || echo ','
        first=no
        cat "$file"
    done
    echo ']}'
} >"$out/gpu.json"
(cd "$state" && find . -path './runs/*' -type f -not -path '*/checkpoints/*' -size -4096k -print0 2>/dev/null |
    tar -czf - --null -T - 2>/dev/null) >"$out/kept.tar.gz"
# A fine-tuning is done where its model is, so it is not told to another machine.
(cd "$state" && find . -maxdepth 1 -name '*.json' -not -name 'sft-*' -print0 | tar -czf - --null -T - 2>/dev/null) >"$out/state.tar.gz"
[[ -d $state/kernels ]] && tar -czf "$out/kernels.tar.gz" -C "$state" kernels
echo "$((failed)) failed, $left left; see $out/gpu.json" >&2
((failed == 0)) || exit 1
((left == 0)) || exit 3
