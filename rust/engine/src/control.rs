//! The line to the parent: orders come in, reports go out. When the other end is gone, the order is to stop.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// What the parent says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The first arrival counts from this instant.
    Start(u64),
    /// Send nothing new; what is in flight may end.
    Finish,
    /// End now.
    Stop,
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
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    match (words.next()?, words.next()) {
        ("start", Some(ns)) => ns.parse().ok().map(Order::Start),
        ("finish", None) => Some(Order::Finish),
        ("stop", None) => Some(Order::Stop),
        _ => None,
    }
}
