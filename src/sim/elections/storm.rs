//! A seed's world: faults for a while, then quiet, in which all must agree and stay so.

use std::time::Duration;

use fastrand::Rng;

use super::Outcome;
use super::laws::{Lawful, Verdict};
use super::weather::{Fault, Network, Weather};
use super::world::World;
use crate::elections::NodeId;
use crate::sim::weather::{part, pick};

/// Lives through the weather of a seed.
pub(super) fn run<E: Lawful>(seed: u64, rules: E::Rules, told: bool) -> Outcome {
    let mut random = Rng::with_seed(seed);
    let weather = Weather::draw(&mut random);
    let Weather { nodes, timing, network, .. } = weather;
    let mut world = World::<E>::new(random.u64(..), nodes, timing, rules, network, told);
    world.tell(|| format!("{weather:?}"));
    if weather.synchronous {
        world.assume_synchrony();
    }
    let verdict = Storm { weather, random, world: &mut world }.rage();
    world.close(verdict.err())
}

struct Storm<'a, E: Lawful> {
    weather: Weather,
    random: Rng,
    world: &'a mut World<E>,
}

impl<E: Lawful> Storm<'_, E> {
    fn rage(mut self) -> Verdict {
        for node in self.world.nodes() {
            let late = part(&mut self.random, self.weather.timing.suspicion());
            self.world.start_after(late, node);
        }
        for _ in 0..self.weather.storms {
            self.world.set_network(self.weather.network);
            self.world.cut_short = self.weather.cut_short;
            let end = self.world.elapsed() + self.weather.storm;
            while self.world.elapsed() < end {
                let pause = part(&mut self.random, 2 * self.weather.between);
                self.world.run_for(pause)?;
                if let Some(fault) = self.random.choice(self.weather.faults.clone()) {
                    self.strike(fault);
                }
            }
            self.calm()?;
        }
        Ok(())
    }

    /// The faults end. After a while everybody who is up agrees, and later still does.
    fn calm(&mut self) -> Verdict {
        let sloth = self.weather.network.sloth;
        let fair = Network { lost: 0, doubled: 0, late: 0, sloth, ..self.weather.network };
        self.world.set_network(fair);
        self.world.cut_short = None;
        self.world.heal();
        let most = usize::from(self.weather.nodes) - 1;
        let down = if self.weather.some_stay_down { self.random.usize(..=most) } else { 0 };
        let mut nodes: Vec<_> = self.world.nodes().collect();
        self.random.shuffle(&mut nodes);
        let (down, up) = nodes.split_at(down);
        // What was scheduled to start earlier does; whoever stays down goes after that.
        self.world.run_for(self.weather.timing.suspicion() * LONGEST)?;
        for node in down {
            self.world.crash(*node);
        }
        for node in up {
            self.world.start(*node)?;
        }
        for _ in 0..2 {
            self.world.run_for(self.weather.quiet)?;
            self.world.judge().map_err(|what| format!("after a long calm {what}"))?;
        }
        Ok(())
    }

    fn strike(&mut self, fault: Fault) {
        self.world.tell(|| format!("{fault:?} strikes"));
        let lasting = self.lasting();
        let victim = self.anybody();
        match fault {
            Fault::Crash => self.crash(&[victim]),
            Fault::CrashCoordinator => self.crash(&self.heads(1)),
            Fault::Behead => self.crash(&self.heads(2)),
            Fault::Partition => {
                let nodes: Vec<_> = self.world.nodes().collect();
                let group: Vec<_> = nodes.into_iter().filter(|_| self.random.bool()).collect();
                self.divide(&group, lasting);
            }
            Fault::Link => {
                let other = self.anybody();
                self.world.cut(victim, other, lasting);
                self.world.cut(other, victim, lasting);
            }
            Fault::OneWay => {
                let other = self.anybody();
                self.world.cut(victim, other, lasting);
            }
            Fault::Mute => self.world.nodes().for_each(|other| self.world.cut(victim, other, lasting)),
        }
    }

    /// The coordinator that somebody has, and his deputy or, if there is none, whoever has him.
    fn heads(&self, most: usize) -> Vec<NodeId> {
        let Some(view) = self.world.views().into_iter().find(|view| view.settled) else { return Vec::new() };
        let heads = view.coordinator.into_iter().chain(view.deputy.or(Some(view.node)));
        heads.take(most).collect()
    }

    /// Nodes vanish at once, and come back one by one.
    fn crash(&mut self, nodes: &[NodeId]) {
        for node in nodes {
            let away = self.lasting();
            self.world.crash(*node);
            self.world.start_after(away, *node);
        }
    }

    /// Nobody in a group hears anybody outside, nor the other way round.
    fn divide(&mut self, group: &[NodeId], lasting: Duration) {
        for from in self.world.nodes() {
            for to in self.world.nodes().filter(|to| group.contains(to) != group.contains(&from)) {
                self.world.cut(from, to, lasting);
            }
        }
    }

    /// From shorter than anybody would notice to longer than anybody would wait.
    fn lasting(&mut self) -> Duration {
        let most = self.weather.timing.suspicion() * pick(&mut self.random, &[1, 8, 8 * LONGEST]) / 8;
        part(&mut self.random, most)
    }

    fn anybody(&mut self) -> NodeId {
        NodeId(self.random.u16(..self.weather.nodes))
    }
}

/// How many times the time after which somebody is suspected a fault lasts at most.
const LONGEST: u32 = 4;
