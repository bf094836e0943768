//! The line to the parent: orders come in, reports go out. When the other end is gone, the order is to stop.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::plan::Load;

/// What the parent says.
#[derive(Clone, Debug)]
pub enum Order {
    /// The first arrival counts from this instant.
    Start(u64),
    /// The load is another one, from an instant on.
    Change(Change),
    /// Send nothing new; what is in flight may end.
    Finish,
    /// End now.
    Stop,
}

/// What the load becomes while it is on.
#[derive(Clone, Debug)]
pub struct Change {
    /// From when on, counted from the start of the run.
    pub at_ns: u64,
    /// The loads of the plan in their order, laid from the start of the run; `None` stays as it is. Users without any
    /// stages pause.
    pub loads: Vec<Option<Load>>,
}

/// The orders and reports of one worker.
#[derive(Debug)]
pub struct Control {
    orders: File,
    reports: File,
    line: Vec<u8>,
}

impl Control {
    /// Takes the two ends over.
    pub fn new(orders: OwnedFd, reports: OwnedFd) -> io::Result<Self> {
        fcntl_setfl(&orders, fcntl_getfl(&orders)? | OFlags::NONBLOCK)?;
        Ok(Self { orders: orders.into(), reports: reports.into(), line: Vec::new() })
    }

    /// A second descriptor of the orders, for a reactor to wait on.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(self.orders.try_clone()?.into())
    }

    /// Tells the parent something, in one line.
    pub fn report(&mut self, line: &str) -> io::Result<()> {
        self.reports.write_all(format!("{line}\n").as_bytes())
    }

    /// The orders that have come. A line that makes no sense ends the worker: the two are of different versions.
    pub fn orders(&mut self) -> Vec<Order> {
        let mut orders = Vec::new();
        let mut bytes = [0; 256];
        loop {
            match self.orders.read(&mut bytes) {
                Ok(0) => {
                    orders.push(Order::Stop);
                    return orders;
                }
                Ok(length) => {
                    self.line.extend_from_slice(&bytes[..length]);
                    while let Some(end) = self.line.iter().position(|&byte| byte == b'\n') {
                        let line: Vec<u8> = self.line.drain(..=end).collect();
                        orders.push(parse(&line).unwrap_or(Order::Stop));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return orders,
                Err(_) => {
                    orders.push(Order::Stop);
                    return orders;
                }
            }
        }
    }
}

fn parse(line: &[u8]) -> Option<Order> {
    let line = std::str::from_utf8(line).ok()?.trim_ascii();
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match (word, rest) {
        ("start", ns) => ns.parse().ok().map(Order::Start),
        ("change", rest) => {
            let (at_ns, loads) = rest.split_once(' ')?;
            let change = Change { at_ns: at_ns.parse().ok()?, loads: serde_json::from_str(loads).ok()? };
            change.is_sound().then_some(Order::Change(change))
        }
        ("finish", "") => Some(Order::Finish),
        ("stop", "") => Some(Order::Stop),
        _ => None,
    }
}

impl Change {
    fn is_sound(&self) -> bool {
        let pauses = |load: &Load| matches!(load, Load::Closed { stages } if stages.is_empty());
        self.loads.iter().flatten().all(|load| pauses(load) || load.check().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_says_from_when_on_and_what() {
        let open = r#"{"model":"open","stages":[{"duration_ns":9,"from_rate":0.0,"to_rate":5}],"arrivals":"constant","seed":1,"drop_after_ns":null}"#;
        let closed = r#"{"model":"closed","stages":[]}"#;
        let line = format!("change 123 [{open},null,{closed}]\n");
        let Some(Order::Change(change)) = parse(line.as_bytes()) else { panic!("no change: {line}") };
        assert_eq!(change.at_ns, 123);
        assert!(matches!(change.loads[..], [Some(Load::Open { .. }), None, Some(Load::Closed { .. })]));
    }

    #[test]
    fn what_makes_no_sense_is_no_order() {
        let endless =
            r#"[{"model":"closed","stages":[{"duration_ns":99999999999999999,"from_users":1,"to_users":1}]}]"#;
        for line in ["", "start", "start x", "finish now", "change 5", "change x []", "change 5 [1]", "pause"] {
            assert!(parse(line.as_bytes()).is_none(), "{line}");
        }
        assert!(parse(format!("change 5 {endless}").as_bytes()).is_none());
        assert!(matches!(parse(b"start 17\n"), Some(Order::Start(17))));
        assert!(matches!(parse(b"finish\n"), Some(Order::Finish)));
    }
}
