//! Where an application runs: its services are stopped, started, scaled and deployed.
