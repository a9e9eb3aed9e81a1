//! `e2h serve`: a model behind OpenAI's completions protocol.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use e2h_model::PeftConfig;

use crate::commands::eval::subject;
use crate::config::{ConfigArgs, ModelSection};
use crate::hints::{Failure, Outcome};
use crate::policy::{self, Placed, Which};
use crate::progress::say;
use crate::serve::http::Limits;
use crate::serve::worker::Worker;
use crate::serve::{AdapterRoot, Shared};

/// Time that connections have to end after the last answer.
const FAREWELL: Duration = Duration::from_secs(10);

/// `e2h serve`
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// A run, a checkpoint or a model folder; without it, --model or the preset's base
    pub path: Option<PathBuf>,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The address to listen on; others than this machine's own need --api-key
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: String,
    /// The port; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 8000)]
    pub port: u16,
    /// What clients must send as `Authorization: Bearer KEY`; E2H_API_KEY does the same out of sight
    #[arg(long, value_name = "KEY")]
    pub api_key: Option<String>,
    /// What the model is called [default: the folder or id that was given]
    #[arg(long, value_name = "NAME")]
    pub served_model_name: Option<String>,
    /// Load adapters from below this folder only [default: any on loopback, none elsewhere]
    #[arg(long, value_name = "DIR")]
    pub adapter_root: Option<PathBuf>,
    /// Requests at work and waiting at most; more are answered 503
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub max_requests: usize,
    /// Bytes of a request's body at most; more are answered 413
    #[arg(long, value_name = "BYTES", default_value_t = 8 << 20)]
    pub max_body: usize,
    /// Seconds until a request must have arrived
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub patience: u64,
}

/// Runs the command.
pub(crate) fn run(args: &ServeArgs) -> Outcome {
    let (config, base) = subject(args.path.as_deref(), Which::Last, &args.config)?;
    let key = key(args.api_key.clone());
    let address = address(&args.host, args.port)?;
    if !address.ip().is_loopback() && key.is_none() {
        let message =
            format!("{} can be reached from other machines, but there is no key", args.host);
        return Err(Failure::usage(message).hint("set E2H_API_KEY, or listen on 127.0.0.1"));
    }
    let root = match &args.adapter_root {
        Some(root) => AdapterRoot::Below(root.canonicalize().map_err(|error| {
            Failure::usage(format!("--adapter-root {}: {error}", root.display()))
        })?),
        None if address.ip().is_loopback() => AdapterRoot::Any,
        None => AdapterRoot::Nowhere,
    };
    let Placed { mut policy, place } =
        policy::place(&ModelSection { base: base.clone(), ..config.model.clone() })?;
    let listener = TcpListener::bind(address).map_err(|error| {
        Failure::run(format!("cannot listen on {address}: {error}"))
            .hint("--port 0 takes a free port")
    })?;
    let local = listener.local_addr().map_err(Failure::run)?;
    let (jobs, queue) = channel();
    let limits =
        Limits { body: args.max_body, patience: Duration::from_secs(args.patience.max(1)) };
    let name = args.served_model_name.clone().unwrap_or_else(|| base.clone());
    let shape = policy.engine().config().clone();
    let mut shared = Shared::new(name.clone(), shape, jobs, limits);
    shared.root = root;
    shared.key = key;
    shared.most = args.max_requests.max(1);
    // An adapter is served under its own name, beside the model that it is for.
    if let Some(adapter) = policy.engine().adapter().cloned() {
        policy.engine_mut().set_adapter(None);
        let of = PeftConfig::load(Path::new(&base)).ok().and_then(|config| config.base);
        shared.name = of.unwrap_or_else(|| format!("{name}:base"));
        let adapters = shared.adapters.get_mut().map_err(Failure::run)?;
        adapters.insert(name.clone(), Arc::new(adapter));
    }
    let stop = Arc::clone(&shared.stop);
    on_interrupt(&stop)?;
    let shared = Arc::new(shared);
    say(&format!("{name} is served at http://{local} by the {place}; Ctrl-C ends this"));
    let acceptor = {
        let shared = Arc::clone(&shared);
        std::thread::spawn(move || shared.listen(&listener))
    };
    Worker { model: policy, current: None }.run(&queue, &stop);
    // The acceptor waits for a connection; this one wakes it.
    let _ = TcpStream::connect_timeout(&wake(local), Duration::from_secs(1));
    let _ = acceptor.join();
    drop(queue);
    shared.wait_for_connections(FAREWELL);
    say("stopped");
    Ok(())
}

/// The key: the flag's, or the environment's.
pub(crate) fn key(flag: Option<String>) -> Option<String> {
    flag.or_else(|| std::env::var("E2H_API_KEY").ok()).filter(|key| !key.is_empty())
}

fn address(host: &str, port: u16) -> Outcome<SocketAddr> {
    let found = (host, port).to_socket_addrs().map_err(|error| {
        Failure::usage(format!("--host {host}: {error}")).hint("give an address of this machine")
    })?;
    let mut found: Vec<SocketAddr> = found.collect();
    // `localhost` may name two addresses; clients try the older kind first.
    found.sort_by_key(SocketAddr::is_ipv6);
    found.into_iter().next().ok_or_else(|| Failure::usage(format!("--host {host} has no address")))
}

/// The address by which this machine reaches its own listener.
fn wake(local: SocketAddr) -> SocketAddr {
    let ip = match local.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, local.port())
}

/// Ctrl-C and TERM end the server when its requests are answered; a second one ends it at once.
fn on_interrupt(stop: &Arc<AtomicBool>) -> Outcome {
    let flag = Arc::clone(stop);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        say("stopping when the requests at work are answered; press Ctrl-C again to stop now");
    })
    .map_err(|error| Failure::run(format!("cannot listen for Ctrl-C: {error}")))
}
