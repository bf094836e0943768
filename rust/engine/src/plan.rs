//! The plan as workers receive it: read from JSON, checked, frozen. The face checks what users type; this reader
//! only makes sure that the engine never starts on nonsense, whoever wrote the plan.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use crate::crowd::plan::Sockets;
use crate::wire::{Version, Wire};

/// Schema that this engine understands.
pub const SCHEMA: &str = "loadgen/plan/1";

/// A run of `blast`: what to send, when, and how.
///
/// Fields that only the face uses (`name`, `command`, `thresholds`, `origins`) are accepted and left alone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    schema: String,
    #[serde(default, rename = "name")]
    _name: serde::de::IgnoredAny,
    #[serde(default, rename = "command")]
    _command: serde::de::IgnoredAny,
    #[serde(default, rename = "thresholds")]
    _thresholds: serde::de::IgnoredAny,
    #[serde(default, rename = "origins")]
    _origins: serde::de::IgnoredAny,
    /// What is sent; a script says that itself.
    #[serde(default)]
    pub request: Option<Request>,
    /// Name under which it is counted.
    #[serde(default)]
    pub label: String,
    /// What is sent where that is more than one request, or has values in it.
    #[serde(default)]
    pub mix: Option<Mix>,
    /// What a script brings along.
    #[serde(default)]
    pub script: Option<Script>,
    /// Redirects that an arrival of a blast follows, at most; without it, none is followed.
    #[serde(default)]
    pub max_redirects: Option<u32>,
    /// Who a blast is, towards servers that challenge it.
    #[serde(default)]
    pub digest: Option<Credentials>,
    /// The sockets of a run of `ws`.
    #[serde(default)]
    pub sockets: Option<Sockets>,
    /// Where connections go, dealt round-robin.
    pub addresses: Vec<SocketAddr>,
    /// When requests are sent.
    pub load: Load,
    /// Cap on connections over all workers.
    pub connections: Option<u32>,
    /// How many workers share the plan.
    pub workers: u32,
    /// How hard to work for precision.
    pub pacing: Pacing,
    /// Longest wait for a complete response, from sending on; for a connection likewise.
    pub timeout_ns: u64,
    /// Longest wait for what is in flight at the end.
    pub drain_ns: u64,
    /// Which mechanism moves the bytes.
    pub reactor: ReactorChoice,
    /// How connections are made.
    #[serde(default)]
    pub wire: Wire,
    /// Addresses that the user says hosts have, by `host:port`.
    #[serde(default)]
    pub resolve: HashMap<String, IpAddr>,
    /// How long it took to find the addresses, of each name that was looked up.
    #[serde(default)]
    pub dns_ns: Vec<u64>,
}

/// What the engine must know of a script. The rest of it is the face's.
#[derive(Clone, Debug, Deserialize)]
pub struct Script {
    /// What a path in the script is put behind; empty where it has none.
    pub base_url: String,
    /// Headers of every request that does not say otherwise.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// In the order of the file.
    pub scenarios: Vec<Scenario>,
    /// Iterations over all users and workers, after which the run ends.
    #[serde(default)]
    pub iterations: Option<u64>,
    /// Iterations after which a user leaves.
    #[serde(default)]
    pub iterations_per_user: Option<u64>,
    /// Cap on users in the open model, over all workers.
    pub max_users: u32,
    /// How many may be at it at a time, from an instant on: what is due beyond that is dropped. In the order of time.
    #[serde(default)]
    pub caps: Vec<Cap>,
    /// Each iteration is carried by connections of its own.
    #[serde(default)]
    pub own_connections: bool,
    /// What is drawn where the load has no seed of its own.
    #[serde(default)]
    pub seed: u64,
}

/// How many users may be at it at a time, over all workers.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// From when on, counted from the start.
    pub from_ns: u64,
    /// `None`: any number.
    pub users: Option<u32>,
}

/// A user and password.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Their name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// One scenario.
#[derive(Clone, Debug, Deserialize)]
pub struct Scenario {
    /// The label of its iterations.
    pub name: String,
    /// Its share of the common load.
    pub weight: f64,
    /// Its own load, if it has one.
    #[serde(default)]
    pub load: Option<Load>,
}

/// A request of `blast`, the same every time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The method, in capitals.
    pub method: String,
    /// Absolute URL, ASCII only, without user information or fragment.
    pub url: String,
    /// Headers in the order given; they replace the defaults of the same name.
    pub headers: Vec<(String, String)>,
    /// The body in base64.
    pub body: Option<String>,
    /// A file whose content is the body, read while it is sent.
    #[serde(default)]
    pub body_file: Option<PathBuf>,
    /// Asks the peer whether it wants the body, before it is sent.
    #[serde(default)]
    pub expect_continue: bool,
}

impl Request {
    /// Whether its body is sent in pieces.
    pub fn uploads(&self) -> bool {
        self.body_file.is_some() || self.expect_continue
    }
}

/// Many requests of a blast, and the rows whose values they take.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// Taken in turn, or by weight where they have weights.
    pub targets: Vec<Target>,
    /// Where they go.
    pub hosts: Vec<Host>,
    #[serde(default, rename = "target_count")]
    _target_count: serde::de::IgnoredAny,
    #[serde(default, rename = "columns")]
    _columns: serde::de::IgnoredAny,
    #[serde(default, rename = "row_count")]
    _row_count: serde::de::IgnoredAny,
    /// Arrival `k` takes row `k` modulo their number.
    pub rows: Vec<Vec<String>>,
    /// Seed of what is drawn.
    pub seed: u64,
}

/// One of many requests. Its URL, the values of its headers and its body may be templates.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What is sent.
    pub request: Request,
    /// How values are written into its body.
    pub encoding: Encoding,
    /// Name under which it is counted.
    pub label: String,
    /// Where it goes, by its place among the hosts.
    pub host: usize,
    /// Its share; all have one or none has.
    pub weight: Option<f64>,
}

/// How a value is written into the text around it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As it is.
    Raw,
    /// With `%41`, as in URLs and forms.
    Percent,
    /// As within a JSON string.
    Json,
}

/// A place that requests go to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Any URL of it.
    pub url: String,
    /// Where connections go, dealt round-robin.
    pub addresses: Vec<SocketAddr>,
}

/// The load model and its profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "model", rename_all = "lowercase", deny_unknown_fields)]
pub enum Load {
    /// Arrivals come when they are due, whatever the target does.
    Open {
        /// The rate over time.
        stages: Vec<RateStage>,
        /// How arrivals are spread.
        arrivals: ArrivalProcess,
        /// Seed of the random streams.
        seed: u64,
        /// Arrivals later than this are given up and counted as dropped.
        drop_after_ns: Option<u64>,
    },
    /// Each user starts the next iteration when the last one ends.
    Closed {
        /// The number of users over time.
        stages: Vec<UserStage>,
    },
}

/// A stretch of time in which the rate changes linearly.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RateStage {
    /// How long it lasts.
    pub duration_ns: u64,
    /// Arrivals per second at its start.
    pub from_rate: f64,
    /// Arrivals per second at its end.
    pub to_rate: f64,
}

/// A stretch of time in which the number of users changes linearly.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct UserStage {
    /// How long it lasts.
    pub duration_ns: u64,
    /// Users at its start.
    pub from_users: u32,
    /// Users at its end.
    pub to_users: u32,
}

/// How arrivals are spread around the rate.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ArrivalProcess {
    /// Evenly.
    Constant,
    /// Independently: exponential gaps.
    Poisson,
    /// In bursts: what is due within `on_ns + off_ns` comes in the first `on_ns`, evenly.
    #[serde(untagged)]
    Bursts {
        /// Length of a burst.
        on_ns: u64,
        /// Silence after it.
        off_ns: u64,
    },
}

/// How hard a worker works for precision.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Pacing {
    /// Sleep until an arrival is due.
    Eco,
    /// Sleep until shortly before, then spin.
    Hybrid,
    /// Never sleep.
    Spin,
}

/// Which mechanism moves the bytes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ReactorChoice {
    /// The quickest that works here.
    Auto,
    /// `epoll`, read and write.
    Epoll,
    /// `io_uring` with multishot receive.
    Uring,
}

/// What is wrong with a plan, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct PlanError(pub String);

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PlanError {}

/// More arrivals than this are refused: the exact arithmetic of the schedule holds up to here, and it is a day at a
/// million a second.
pub const MOST_ARRIVALS: f64 = 1e11;

/// The longest span that a plan may name, a year.
pub const LONGEST_STAGE_NS: u64 = 365 * 86_400 * 1_000_000_000;

/// The highest rate that a stage may name.
pub const HIGHEST_RATE: f64 = 1e7;

impl Plan {
    /// Reads and checks a plan.
    pub fn read(json: &[u8]) -> Result<Self, PlanError> {
        let plan: Self = serde_json::from_slice(json).map_err(|error| PlanError(format!("plan: {error}")))?;
        plan.check()?;
        Ok(plan)
    }

    /// Whether more than a socket may lie below HTTP/1.1. Where a redirect leads, nobody knows beforehand.
    pub fn needs_layers(&self) -> bool {
        let hosts = self.mix.iter().flat_map(|mix| &mix.hosts).map(|host| &host.url);
        let is_secure =
            self.request.iter().map(|request| &request.url).chain(hosts).any(|url| url.starts_with("https:"));
        is_secure
            || self.max_redirects.is_some()
            || self.wire.proxy.is_some()
            || matches!(self.wire.http, Version::Two | Version::Three)
    }

    /// Whether an arrival of a blast may take several requests.
    pub fn converses(&self) -> bool {
        self.max_redirects.is_some() || self.digest.is_some()
    }

    /// Whether bodies are sent in pieces.
    pub fn uploads(&self) -> bool {
        self.request.as_ref().is_some_and(Request::uploads)
    }

    fn check(&self) -> Result<(), PlanError> {
        let refuse = |condition: bool, text: &str| {
            if condition { Err(PlanError(text.into())) } else { Ok(()) }
        };
        refuse(self.schema != SCHEMA, &format!("schema: expected {SCHEMA}, got {}", self.schema))?;
        refuse(self.workers == 0, "workers: expected at least 1")?;
        let needs_none = self.script.is_some() || self.wire.unix_socket.is_some() || self.wire.proxy.is_some();
        refuse(self.addresses.is_empty() && !needs_none, "addresses: expected at least one")?;
        refuse(self.wire.streams == Some(0), "wire.streams: expected at least 1")?;
        refuse(self.connections == Some(0), "connections: expected at least 1")?;
        refuse(self.timeout_ns == 0, "timeout_ns: expected more than 0")?;
        refuse(self.timeout_ns.max(self.drain_ns) > LONGEST_STAGE_NS, "timeout_ns, drain_ns: longer than a year")?;
        let kinds = [self.request.is_some(), self.script.is_some(), self.mix.is_some(), self.sockets.is_some()];
        let one_kind = kinds.into_iter().filter(|is_there| *is_there).count() == 1;
        refuse(!one_kind, "request, mix, script, sockets: expected one of them")?;
        self.mix.as_ref().map_or(Ok(()), Mix::check)?;
        self.sockets.as_ref().map_or(Ok(()), Sockets::check)?;
        let Some(script) = &self.script else { return self.load.check() };
        refuse(script.scenarios.is_empty(), "script.scenarios: expected at least one")?;
        refuse(script.max_users == 0, "script.max_users: expected at least 1")?;
        let is_weight = |weight: f64| weight.is_finite() && weight >= 0.0;
        refuse(!script.scenarios.iter().all(|one| is_weight(one.weight)), "script.scenarios: expected weights")?;
        let common = || script.scenarios.iter().filter(|one| one.load.is_none());
        let weightless = common().count() > 0 && common().all(|one| one.weight == 0.0);
        refuse(weightless, "script.scenarios: expected a weight above 0")?;
        script.scenarios.iter().filter_map(|one| one.load.as_ref()).chain([&self.load]).try_for_each(Load::check)
    }
}

impl Mix {
    fn check(&self) -> Result<(), PlanError> {
        let refuse = |condition: bool, text: &str| {
            if condition { Err(PlanError(text.into())) } else { Ok(()) }
        };
        refuse(self.targets.is_empty(), "mix.targets: expected at least one")?;
        refuse(self.targets.iter().any(|target| target.host >= self.hosts.len()), "mix.targets: no such host")?;
        let weights: Vec<f64> = self.targets.iter().filter_map(|target| target.weight).collect();
        refuse(!weights.is_empty() && weights.len() < self.targets.len(), "mix.targets: some have no weight")?;
        let sound = weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0);
        let is_some = weights.is_empty() || weights.iter().sum::<f64>() > 0.0;
        refuse(!sound || !is_some, "mix.targets: expected weights, one above 0")?;
        let columns = self.rows.first().map_or(0, Vec::len);
        refuse(self.rows.iter().any(|row| row.len() != columns), "mix.rows: expected as many values in each")
    }
}

impl Load {
    /// Reads and checks one by itself.
    pub fn read(json: &[u8]) -> Result<Self, PlanError> {
        let load: Self = serde_json::from_slice(json).map_err(|error| PlanError(format!("load: {error}")))?;
        load.check()?;
        Ok(load)
    }

    pub(crate) fn check(&self) -> Result<(), PlanError> {
        match self {
            Self::Open { stages, arrivals, .. } => check_rates(stages, *arrivals),
            Self::Closed { stages } if stages.is_empty() => Err(PlanError("load.stages: expected at least one".into())),
            Self::Closed { stages } => check_durations(stages.iter().map(|stage| stage.duration_ns)),
        }
    }
}

fn check_durations(mut durations: impl Iterator<Item = u64>) -> Result<(), PlanError> {
    match durations.try_fold(0u64, u64::checked_add) {
        Some(whole_ns) if whole_ns <= LONGEST_STAGE_NS => Ok(()),
        _ => Err(PlanError("load.stages: longer than a year".into())),
    }
}

fn check_rates(stages: &[RateStage], arrivals: ArrivalProcess) -> Result<(), PlanError> {
    if stages.is_empty() {
        return Err(PlanError("load.stages: expected at least one".into()));
    }
    let mut expected = 0.0;
    for (i, stage) in stages.iter().enumerate() {
        let sound = |rate: f64| rate.is_finite() && (0.0..=HIGHEST_RATE).contains(&rate);
        if !sound(stage.from_rate) || !sound(stage.to_rate) {
            return Err(PlanError(format!("load.stages[{i}]: expected rates from 0 to {HIGHEST_RATE}")));
        }
        expected += f64::midpoint(stage.from_rate, stage.to_rate) * stage.duration_ns as f64 / 1e9;
    }
    check_durations(stages.iter().map(|stage| stage.duration_ns))?;
    if expected > MOST_ARRIVALS {
        return Err(PlanError(format!("load.stages: {expected:.0} arrivals are more than {MOST_ARRIVALS:.0}")));
    }
    match arrivals {
        ArrivalProcess::Bursts { on_ns, off_ns }
            if on_ns == 0 || off_ns > LONGEST_STAGE_NS || on_ns > LONGEST_STAGE_NS =>
        {
            Err(PlanError("load.arrivals: expected a burst longer than 0 and shorter than a year".into()))
        }
        _ => Ok(()),
    }
}
