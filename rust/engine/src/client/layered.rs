//! Bytes on their way through the layers between a socket and HTTP.

use std::rc::Rc;

use super::single::read;
use super::{Answer, Client, Happened};
use crate::http::response::Progress;
use crate::layers;
use crate::outcome::ErrorKind;
use crate::pool::State;
use crate::reactor::{Reactor, Slot};

impl<R: Reactor> Client<R> {
    /// Whether that could be done. If not, the request's end is told of later: who sends it has not counted it yet.
    pub(super) fn send_through_layers(&mut self, slot: Slot, now: u64, request: &[u8]) -> bool {
        let connection = self.pool.get(slot);
        let sent = connection.layers.as_mut().map_or(Ok(()), |layers| layers.send(request, &mut self.out));
        self.send_out(slot);
        if let Err(kind) = sent {
            let ended = self.fail(slot, now, kind);
            self.more.push_back((ended, Answer::None));
        }
        sent.is_ok()
    }

    /// Sends what layers want sent.
    pub(super) fn send_out(&mut self, slot: Slot) {
        if !self.out.is_empty() {
            self.reactor.send(slot, &Rc::from(&self.out[..]));
            self.out.clear();
        }
    }

    pub(super) fn received_through_layers(&mut self, slot: Slot, now: u64) -> Happened {
        let now = self.reactor.arrived_ns(now).max(self.pool.get(slot).since_ns);
        let Some(mut layers) = self.pool.get(slot).layers.take() else { return Happened::Nothing };
        self.plain.clear();
        let progress = layers.receive(self.reactor.received(), now, &mut self.plain, &mut self.out);
        self.send_out(slot);
        let connection = self.pool.get(slot);
        connection.layers = Some(layers);
        if connection.shared.is_some() {
            return self.received_shared(slot, now, progress);
        }
        match progress {
            Err(kind) => self.fail(slot, now, kind),
            Ok(layers::Progress::Building) => Happened::Nothing,
            Ok(layers::Progress::Built) => {
                let happened = self.ready(slot, now);
                match self.pool.get(slot).state {
                    _ if self.plain.is_empty() => happened,
                    // Over HTTP/2 the peer may speak first; else nothing was asked for yet.
                    State::Connecting => self.received_shared(slot, now, progress),
                    State::Idle => self.fail_to_connect(slot, now, ErrorKind::BadResponse),
                    _ => happened,
                }
            }
            Ok(layers::Progress::Open) if self.plain.is_empty() => Happened::Nothing,
            Ok(progress) if connection.state == State::Socket => {
                self.socket_speaks(slot, progress == layers::Progress::Closed)
            }
            Ok(progress) if connection.state == State::Busy => {
                let read = match read(connection, &mut self.heads, &self.plain, now, &mut self.pieces) {
                    Ok(Progress::More) if progress == layers::Progress::Closed => connection.reader.close(),
                    // What is closed carries no other request.
                    Ok(Progress::Complete { status, .. }) if progress == layers::Progress::Closed => {
                        Ok(Progress::Complete { status, reusable: false })
                    }
                    read => read,
                };
                self.advance(slot, now, read)
            }
            Ok(_) => self.unasked(slot),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::client::{Origin, Wear};
    use crate::clock::{SECOND, now_ns};
    use crate::layers::Layers;
    use crate::outcome::End;
    use crate::pool::Sending;
    use crate::reactor::Address;
    use crate::reactor::epoll::Epoll;
    use crate::tls::{Host, Settings};
    use crate::wire::{Tls, Version};

    #[test]
    fn what_tls_does_not_send_fails_at_once_and_by_its_name() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let (control, _other_end) = UnixStream::pair().unwrap();
        let reactor = Epoll::new(OwnedFd::from(control)).unwrap();
        let wear = Wear { once: false, idle_ns: None, lifetime_ns: None };
        let mut client = Client::new(reactor, 1, SECOND, wear, Vec::new());
        let tls = Settings::read(&Tls { insecure: true, ..Tls::default() }, Version::One).unwrap();
        let plan = layers::Plan { tls: Host::new(&tls, "localhost"), ..layers::Plan::default() };
        let addresses = vec![Address::Inet(server.local_addr().unwrap())];
        client.add_origin(Origin { addresses, next: 0, layers: plan.clone(), shares: None });
        client.connect(0, now_ns());
        let slot = 0;
        // A handshake that is not over stands for a session that is.
        client.pool.get(slot).layers = Some(Box::new(Layers::begin(&plan, now_ns(), &mut Vec::new()).unwrap()));
        client.pool.idle(slot);
        assert_eq!(client.acquire(0), Some(slot));
        let sending = Sending { timeout_ns: SECOND, ..Sending::default() };
        assert_eq!(client.send(slot, now_ns(), &Rc::from(&b"GET / HTTP/1.1\r\n\r\n"[..]), None, sending), 0);
        let Some(Happened::Ended(outcome)) = client.next_more() else { panic!("it has ended") };
        assert_eq!(outcome.end, End::Error(ErrorKind::TlsFailed));
        assert_eq!((client.pool().in_flight(), client.pool().opened()), (0, 0));
    }
}
