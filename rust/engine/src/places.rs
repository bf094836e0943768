//! The places that a blast sends to, and those that redirects lead to beside them. A name is looked up beside the loop,
//! which never waits for it: hops to it do, and what was found is remembered.

use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::clock::now_ns;
use crate::outcome::ErrorKind;
use crate::wiring::{Place, Wiring};

/// Places beside the plan's that a worker knows, at most: each has a lane and connections of its own.
pub const MOST_FOUND: usize = 100;
/// A target that takes longer than this to accept one connection is not going to take load.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Requests go there, by the number of the origin.
    Origin(usize),
    /// Its addresses were found just now: it is to be made an origin.
    Addresses(Vec<SocketAddr>),
    /// They are being looked up, by the number of the place.
    Lookup(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Origin(usize),
    Lookup,
    Nowhere(ErrorKind),
}

/// See the module.
pub struct Places {
    places: Vec<(Place, State)>,
    /// Those of the plan come first, with the addresses of their hosts.
    planned: Vec<Vec<IpAddr>>,
    answers: (Sender<Found>, Receiver<Found>),
}

/// What a lookup has found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The number of the place.
    pub lookup: usize,
    /// Where it is; empty where its name has no address.
    pub addresses: Vec<SocketAddr>,
    /// How long the resolver took.
    pub dns_ns: u64,
}

impl Places {
    /// Those of the plan, which are the first origins, with their addresses.
    pub fn new(planned: Vec<(Place, Vec<SocketAddr>)>) -> Self {
        let hosts = planned.iter().map(|(_, addresses)| addresses.iter().map(SocketAddr::ip).collect()).collect();
        let places = planned.into_iter().enumerate();
        let places = places.map(|(origin, (place, _))| (place, State::Origin(origin))).collect();
        Self { places, planned: hosts, answers: channel() }
    }

    /// Whether an origin is the plan's.
    pub fn is_planned(&self, origin: usize) -> bool {
        origin < self.planned.len()
    }

    /// The place of an origin.
    pub fn of(&self, origin: usize) -> Option<&Place> {
        self.places.iter().find(|(_, state)| *state == State::Origin(origin)).map(|(place, _)| place)
    }

    /// A place by its number.
    pub fn at(&self, number: usize) -> &Place {
        &self.places[number].0
    }

    /// What is known of a place; begins to look its name up where nothing is. An error where the name has no address,
    /// `None` where too many places are known already.
    pub fn find(&mut self, place: &Place, wiring: &Wiring) -> Option<Result<Known, ErrorKind>> {
        let known = self.places.iter().enumerate().find(|(_, (known, _))| known.is_same(place));
        if let Some((number, (_, state))) = known {
            return Some(match *state {
                State::Origin(origin) => Ok(Known::Origin(origin)),
                State::Lookup => Ok(Known::Lookup(number)),
                State::Nowhere(kind) => Err(kind),
            });
        }
        if self.places.len() >= self.planned.len() + MOST_FOUND {
            return None;
        }
        if let Some(addresses) = wiring.addresses(place).or_else(|| self.addresses(place)) {
            return Some(Ok(Known::Addresses(addresses)));
        }
        let number = self.places.len();
        let is_begun = look_up(number, place, self.answers.0.clone());
        self.places
            .push((place.clone(), if is_begun { State::Lookup } else { State::Nowhere(ErrorKind::NotResolved) }));
        Some(if is_begun { Ok(Known::Lookup(number)) } else { Err(ErrorKind::NotResolved) })
    }

    /// Those that need no looking up: an address for a name, and a host of the plan at another port.
    fn addresses(&self, place: &Place) -> Option<Vec<SocketAddr>> {
        if let Ok(address) = place.host.parse::<IpAddr>() {
            return Some(vec![SocketAddr::new(address, place.port)]);
        }
        let planned = self.places.iter().zip(&self.planned);
        let mut same = planned.filter(|((known, _), _)| known.host.eq_ignore_ascii_case(&place.host));
        let (_, addresses) = same.find(|(_, addresses)| !addresses.is_empty())?;
        Some(addresses.iter().map(|address| SocketAddr::new(*address, place.port)).collect())
    }

    /// It is an origin from now on.
    pub fn add(&mut self, place: &Place, origin: usize) {
        self.set(place, State::Origin(origin));
    }

    /// No request can go there, now or later.
    pub fn give_up(&mut self, place: &Place, kind: ErrorKind) {
        self.set(place, State::Nowhere(kind));
    }

    fn set(&mut self, place: &Place, state: State) {
        match self.places.iter_mut().find(|(known, _)| known.is_same(place)) {
            Some((_, known)) => *known = state,
            None => self.places.push((place.clone(), state)),
        }
    }

    /// The origin that a place is, if it is one.
    pub fn origin(&self, place: &Place) -> Option<usize> {
        self.places.iter().find_map(|(known, state)| match state {
            State::Origin(origin) if known.is_same(place) => Some(*origin),
            _ => None,
        })
    }

    /// A lookup that has ended.
    pub fn next_found(&mut self) -> Option<Found> {
        let found = self.answers.1.try_recv().ok()?;
        if found.addresses.is_empty() {
            self.places[found.lookup].1 = State::Nowhere(ErrorKind::NotResolved);
        }
        Some(found)
    }
}

/// Asks the resolver, and of several addresses which accept a connection. Whether that was begun.
fn look_up(lookup: usize, place: &Place, tell: Sender<Found>) -> bool {
    let (host, port) = (place.host.clone(), place.port);
    let ask = move || {
        let begun_ns = now_ns();
        let found: Vec<_> = (host.as_str(), port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
        let dns_ns = now_ns() - begun_ns;
        let accepts = |address: &&SocketAddr| TcpStream::connect_timeout(address, PATIENCE).is_ok();
        let usable: Vec<_> = if found.len() > 1 { found.iter().filter(accepts).copied().collect() } else { Vec::new() };
        // Nobody listens any more when the run is over.
        let _ = tell.send(Found { lookup, addresses: if usable.is_empty() { found } else { usable }, dns_ns });
    };
    thread::Builder::new().name("resolver".into()).spawn(ask).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    fn wiring(resolve: &str) -> Wiring {
        let plan = format!(
            r#"{{"schema": "loadgen/plan/1", "addresses": ["127.0.0.1:1"], "workers": 1, "pacing": "eco",
                "connections": null, "timeout_ns": 1, "drain_ns": 0, "reactor": "auto", "resolve": {resolve},
                "load": {{"model": "closed", "stages": [{{"duration_ns": 1, "from_users": 1, "to_users": 1}}]}},
                "request": {{"method": "GET", "url": "http://a/", "headers": [], "body": null}}}}"#
        );
        Wiring::new(&Plan::read(plan.as_bytes()).unwrap())
    }

    fn place(url: &str) -> Place {
        Place::of(url).unwrap()
    }

    #[test]
    fn what_is_known_is_not_looked_up() {
        let address = |text: &str| Some(Ok(Known::Addresses(vec![text.parse().unwrap()])));
        let wiring = wiring(r#"{"b:80": "127.0.0.2"}"#);
        let mut places = Places::new(vec![(place("http://a"), vec!["127.0.0.1:80".parse().unwrap()])]);
        assert_eq!(places.find(&place("http://A:80"), &wiring), Some(Ok(Known::Origin(0))));
        assert_eq!(places.find(&place("https://a"), &wiring), address("127.0.0.1:443"));
        assert_eq!(places.find(&place("http://b"), &wiring), address("127.0.0.2:80"));
        assert_eq!(places.find(&place("http://[::1]:8"), &wiring), address("[::1]:8"));
        places.add(&place("http://b"), 1);
        assert_eq!(places.find(&place("http://b"), &wiring), Some(Ok(Known::Origin(1))));
        assert!(places.is_planned(0) && !places.is_planned(1));
        assert_eq!(places.of(1), Some(&place("http://b")));
    }

    #[test]
    fn a_name_is_asked_for_once() {
        let wiring = wiring("{}");
        let mut places = Places::new(vec![(place("http://a"), vec!["127.0.0.1:80".parse().unwrap()])]);
        for name in ["http://localhost:1", "http://nobody.invalid"] {
            assert!(matches!(places.find(&place(name), &wiring), Some(Ok(Known::Lookup(_)))), "{name}");
        }
        for _ in 0..2 {
            let found = places.answers.1.recv().unwrap();
            places.answers.0.send(found.clone()).unwrap();
            assert_eq!(places.next_found().map(|found| found.lookup), Some(found.lookup));
            assert_eq!(found.addresses.is_empty(), places.at(found.lookup).host == "nobody.invalid");
        }
        assert_eq!(places.find(&place("http://nobody.invalid"), &wiring), Some(Err(ErrorKind::NotResolved)));
    }

    #[test]
    fn a_server_cannot_make_it_know_ever_more() {
        let wiring = wiring("{}");
        let mut places = Places::new(vec![(place("http://a"), vec!["127.0.0.1:80".parse().unwrap()])]);
        for port in 1..=MOST_FOUND {
            places.add(&place(&format!("http://127.0.0.1:{port}")), port);
        }
        assert_eq!(places.find(&place("http://127.0.0.1:1000"), &wiring), None);
        assert_eq!(places.find(&place("http://127.0.0.1:7"), &wiring), Some(Ok(Known::Origin(7))));
    }
}
