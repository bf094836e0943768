//! Where requests may go: the base of the plan, and what scripts name besides.

use std::net::SocketAddr;

use loadgen_engine::plan::Plan;
use loadgen_engine::wiring::Place;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::{Core, Engine};

impl Core {
    /// The base, if it is known where that is. `first`: of its addresses, the one to begin with.
    pub(super) fn add_base(&mut self, plan: &Plan, first: usize) -> PyResult<()> {
        let Some(site) = self.requests.base_site() else { return Ok(()) };
        let given = Some(plan.addresses.clone()).filter(|addresses| !addresses.is_empty());
        if let Some(addresses) = given.or_else(|| self.wiring.addresses(&place_of(&site).ok()?)) {
            self.home = Some((place_of(&site)?, addresses.clone()));
            self.add_origin(site, &addresses, first)?;
        }
        Ok(())
    }

    /// One more place to send to.
    fn add_origin(&mut self, site: String, addresses: &[SocketAddr], first: usize) -> PyResult<()> {
        let wiring = if site.starts_with("ws") { &mut self.socket_wiring } else { &mut self.wiring };
        let origin = wiring.origin(&place_of(&site)?, addresses, first).map_err(PyValueError::new_err)?;
        let origin = self.courier.add_origin(origin);
        self.requests.add_origin(site, origin);
        Ok(())
    }
}

#[pymethods]
impl Engine {
    /// The addresses of a site such as "https://host:port", or None where its name must be looked up.
    fn known_addresses(&self, site: &str) -> PyResult<Option<Vec<String>>> {
        let place = place_of(site)?;
        let core = self.core()?;
        let home = core.home.as_ref().filter(|(home, _)| home.is_same(&place)).map(|(_, addresses)| addresses.clone());
        let found = home.or_else(|| core.wiring.addresses(&place));
        Ok(found.map(|addresses| addresses.iter().map(ToString::to_string).collect()))
    }

    /// One more place to send to: a site such as "https://host:port" and its addresses; how long finding them took, where
    /// a name was looked up.
    #[pyo3(signature = (site, addresses, dns_ns = None))]
    #[expect(clippy::needless_pass_by_value, reason = "what pyo3 makes of a sequence")]
    fn add_origin(&self, site: String, addresses: Vec<String>, dns_ns: Option<u64>) -> PyResult<()> {
        let parse =
            |text: &String| text.parse::<SocketAddr>().map_err(|error| PyValueError::new_err(error.to_string()));
        let addresses = addresses.iter().map(parse).collect::<PyResult<Vec<_>>>()?;
        let mut core = self.core()?;
        if core.requests.origin(&site).is_none() {
            core.add_origin(site, &addresses, 0)?;
            core.lookups_ns.extend(dns_ns);
        }
        Ok(())
    }
}

/// Where a site leads: also that of a socket, `ws://host:port`.
fn place_of(site: &str) -> PyResult<Place> {
    let place = site.strip_prefix("ws").map_or_else(|| Place::of(site), |rest| Place::of(&format!("http{rest}")));
    place.ok_or_else(|| PyValueError::new_err(format!("{site} leads nowhere: is its port from 1 to 65535?")))
}
