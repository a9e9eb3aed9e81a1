//! `cargo xtask gpu pack`: the folder for a machine with a GPU.
//!
//! | in it | what for |
//! | --- | --- |
//! | `run.sh` | runs everything, in pieces |
//! | `e2h.gz.*` | the program, stripped and compressed, in parts |
//! | `goldens/` | small models with another program's numbers |
//! | `peer_grpo_step.py`, `wheels/` | the peer's side of the benchmark, where it is given |
//! | `commit` | the commit that the program is built from |
//!
//! A model goes into folders of its own beside it, `model-1`, `model-2`, ..., each as large as the folder may be.
//!
//! # Invariants
//! - No folder holds more than [`LIMIT`] bytes, and no file more than [`PART`].

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use crate::{cargo, shell};

/// Most bytes of a folder: 64 MiB with some room for what travels with it.
const LIMIT: u64 = 60 << 20;
/// Most bytes of a file.
const PART: usize = 15 << 20;
/// The script, as it is packed.
const SCRIPT: &str = include_str!("../../gpu/run.sh");

/// `cargo xtask gpu pack`
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the folder is made; what was there is replaced
    #[arg(long, value_name = "DIR", default_value = "target/gpu")]
    out: PathBuf,
    /// A program that is built already; without it, it is built here, for CUDA
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Build for the CPU alone, to try the folder where there is no GPU
    #[arg(long, conflicts_with = "binary")]
    cpu: bool,
    /// Models with expected numbers
    #[arg(long, value_name = "DIR", default_value = "../shared/oracle/models")]
    goldens: PathBuf,
    /// The peer's program
    #[arg(long, value_name = "FILE", default_value = "../shared/bench/peer_grpo_step.py")]
    peer: PathBuf,
    /// A folder with the wheels that the peer needs on the machine
    #[arg(long, value_name = "DIR")]
    wheels: Option<PathBuf>,
    /// A model folder for the trainings
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    let sh = shell(root)?;
    let out = root.join(&args.out);
    let binary = match &args.binary {
        Some(binary) => root.join(binary),
        None => build(&sh, root, args.cpu)?,
    };
    ensure!(binary.is_file(), "there is no program {}", binary.display());
    let goldens = root.join(&args.goldens);
    ensure!(goldens.is_dir(), "there are no goldens in {}", goldens.display());
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| out.display().to_string())?;
    }
    let pack = out.join("pack");
    fs::create_dir_all(&pack).with_context(|| pack.display().to_string())?;
    let script = pack.join("run.sh");
    fs::write(&script, SCRIPT).with_context(|| script.display().to_string())?;
    cmd!(sh, "chmod +x {script}").quiet().run()?;
    let commit = cmd!(sh, "git rev-parse --short HEAD").quiet().ignore_stderr().read();
    fs::write(pack.join("commit"), commit.unwrap_or_default() + "\n").context("commit")?;

    let program = compressed(cmd!(sh, "gzip -9 -c {binary}"))?;
    write_parts(&program, &pack, "e2h.gz.")?;
    copy(&goldens, &pack.join("goldens"))?;
    let peer = root.join(&args.peer);
    if peer.is_file() {
        fs::copy(&peer, pack.join("peer_grpo_step.py")).context("the peer's program")?;
    }
    if let Some(wheels) = &args.wheels {
        copy(&root.join(wheels), &pack.join("wheels"))?;
    }
    let bytes = size(&pack)?;
    ensure!(bytes <= LIMIT, "{} takes {} MiB, over {}", pack.display(), mib(bytes), mib(LIMIT));
    eprintln!("{}: {} MiB", pack.display(), mib(bytes));
    if let Some(model) = &args.model {
        pack_model(&sh, &root.join(model), &out)?;
    }
    eprintln!("on the machine with the GPU: pack/run.sh OUT, again until it leaves with 0");
    Ok(())
}

/// Builds the program; returns where it lies.
fn build(sh: &Shell, root: &Path, cpu: bool) -> Result<PathBuf> {
    let cargo = cargo();
    let features: &[&str] = if cpu { &[] } else { &["--features", "e2h-cli/cuda"] };
    cmd!(sh, "{cargo} build --release --workspace --bin e2h {features...}").run()?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/e2h"))
}

/// The compressed model, in as many folders as it takes.
fn pack_model(sh: &Shell, model: &Path, out: &Path) -> Result<()> {
    ensure!(model.join("config.json").is_file(), "{} is no model folder", model.display());
    let archive = out.join("model.tar");
    cmd!(sh, "tar -cf {archive} -C {model} .").quiet().run()?;
    let bytes = compressed(cmd!(sh, "gzip -6 -c {archive}"))?;
    fs::remove_file(&archive).context("the model's archive")?;
    let per_folder = LIMIT as usize / PART * PART;
    for (index, bytes) in bytes.chunks(per_folder).enumerate() {
        let folder = out.join(format!("model-{}", index + 1));
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        // Names sort over all folders, so that one pattern puts the parts together.
        write_parts(bytes, &folder, &format!("part.{index:02}."))?;
        eprintln!("{}: {} MiB; goes beside run.sh", folder.display(), mib(size(&folder)?));
    }
    Ok(())
}

/// What a command that compresses prints.
fn compressed(command: xshell::Cmd<'_>) -> Result<Vec<u8>> {
    let output = command.quiet().output().context("gzip")?;
    ensure!(!output.stdout.is_empty(), "gzip printed nothing");
    Ok(output.stdout)
}

/// Writes `bytes` as files `prefix` with a number, each small enough.
fn write_parts(bytes: &[u8], folder: &Path, prefix: &str) -> Result<()> {
    for (index, part) in bytes.chunks(PART).enumerate() {
        let path = folder.join(format!("{prefix}{index:02}"));
        fs::write(&path, part).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry.with_context(|| from.display().to_string())?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            // The bytes alone: the copy must be writable even where the original is not.
            let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
            if bytes.len() > PART {
                bail!("{} takes {} MiB", path.display(), mib(bytes.len() as u64));
            }
            fs::write(&target, bytes).with_context(|| target.display().to_string())?;
        }
    }
    Ok(())
}

/// Bytes of all files of a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        bytes += if path.is_dir() { size(&path)? } else { fs::metadata(&path)?.len() };
    }
    Ok(bytes)
}

fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A folder of this test, under the build's own.
    fn folder(name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    #[test]
    fn a_packed_program_runs_and_every_piece_of_the_script_has_its_command() {
        let folder = folder("gpu-pack");
        fs::create_dir_all(folder.join("goldens/a")).expect("a folder");
        fs::write(folder.join("goldens/a/config.json"), "{}").expect("a file");
        let program = folder.join("e2h");
        fs::write(&program, "#!/bin/sh\necho \"{\\\"ran\\\": \\\"$1\\\"}\"\n").expect("a file");
        let model = folder.join("model");
        fs::create_dir_all(&model).expect("a folder");
        fs::write(model.join("config.json"), "{\"a\": 1}").expect("a file");
        let args = Args {
            out: folder.join("out"),
            binary: Some(program),
            cpu: false,
            goldens: folder.join("goldens"),
            peer: folder.join("no peer"),
            wheels: None,
            model: Some(model),
        };
        run(&folder, &args).expect("packed");
        let out = folder.join("out");
        assert!(out.join("pack/goldens/a/config.json").is_file());
        assert!(out.join("model-1/part.00.00").is_file());

        let script = out.join("pack/run.sh");
        let dry =
            Command::new("bash").arg(&script).arg("--dry-run").output().expect("bash is there");
        let text = String::from_utf8_lossy(&dry.stdout).into_owned();
        assert!(dry.status.success(), "{}", String::from_utf8_lossy(&dry.stderr));
        for piece in ["golden-bf16", "bench-1.5b-decode-64", "bench-3b-step", "sft-countdown"] {
            assert!(text.lines().any(|line| line.starts_with(piece)), "{piece}: {text}");
        }
        for schedule in ["balanced", "gaussian", "e2h-a", "cosine", "only"] {
            for task in ["countdown", "blocksworld"] {
                let name = format!("train-{task}-{schedule}");
                assert!(text.lines().any(|line| line.starts_with(&name)), "{name}: {text}");
            }
        }
        let longest =
            text.lines().filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        assert!(longest.max() < Some(600), "a piece of ten minutes: {text}");
        assert!(!out.join("pack/state").exists(), "a dry run left something");

        // The parts make the program again, and what it prints becomes one JSON.
        let ran = Command::new("bash")
            .arg(&script)
            .arg(folder.join("results"))
            .envs([("E2H_ONLY", "golden-f32"), ("E2H_DEVICE", "cpu")])
            .output()
            .expect("bash is there");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let json = fs::read_to_string(folder.join("results/gpu.json")).expect("a result");
        let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(value["pieces"][0]["result"]["ran"], "golden", "{json}");
        assert_eq!(value["left"], 0);
    }
}
