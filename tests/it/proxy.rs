//! A network that misbehaves: a proxy between whoever connects and one server.
//!
//! Every connection has a mood, which says what is done to its bytes. A test can turn the mood of all
//! of them; or each has a temper of its own, drawn from a seed, and turns moody after so many bytes,
//! wherever in a message those end. As with TCP, no byte gets lost in the middle of a connection: what
//! is held back arrives late, and a connection of which something was lost is dead.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::LocalSet;
use tokio::time::sleep;

/// Most bytes that are forwarded at a time.
const PIECE: usize = 16 << 10;
/// The longest that a piece waits on a slow connection.
const SLOWEST: Duration = Duration::from_millis(100);

/// What is done to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mood {
    /// Nothing.
    Fair,
    /// Each piece waits.
    Slow,
    /// Nothing gets through, either way, and nobody is told. What was sent arrives when the mood is
    /// better, though its sender may have given up by then.
    Silent,
    /// Requests get through. Their replies are lost.
    Mute,
    /// It ends, as if the other side had closed it.
    Cut,
    /// It ends, as if the other side had crashed.
    Reset,
}

/// How connections get moody by themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Temper {
    /// Most bytes from one mood to the next.
    pub(crate) calm: usize,
    /// The longest that one lasts.
    pub(crate) longest: Duration,
}

/// A proxy that lives as long as the tests.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    pub(crate) address: String,
    weather: Arc<Mutex<Weather>>,
}

/// What all connections share.
#[derive(Debug)]
struct Weather {
    /// The mood of new ones.
    mood: Mood,
    temper: Option<Temper>,
    random: Rng,
    connections: Vec<Weak<watch::Sender<Mood>>>,
    /// How often one turned into which mood by itself.
    moods: BTreeMap<Mood, u64>,
}

/// One connection, in the hands of the proxy's thread.
struct Connection {
    weather: Arc<Mutex<Weather>>,
    mood: Arc<watch::Sender<Mood>>,
    random: RefCell<Rng>,
    /// How many more bytes its mood lasts.
    calm: Cell<usize>,
    moody: Notify,
    /// A reply was lost.
    lossy: Cell<bool>,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    There,
    Back,
}

impl Proxy {
    /// A proxy to the server at `upstream`, whose connections are fair until they are told otherwise.
    pub(crate) fn new(upstream: &str) -> Self {
        Self::on(std::net::TcpListener::bind("127.0.0.1:0").unwrap(), upstream)
    }

    /// One that listens where it is told to.
    pub(crate) fn on(listener: std::net::TcpListener, upstream: &str) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        listener.set_nonblocking(true).unwrap();
        let weather = Arc::new(Mutex::new(Weather {
            mood: Mood::Fair,
            temper: None,
            random: Rng::with_seed(0),
            connections: Vec::new(),
            moods: BTreeMap::new(),
        }));
        let (upstream, shared) = (upstream.to_owned(), Arc::clone(&weather));
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, async move {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (client, _) = listener.accept().await.unwrap();
                    let (connection, upstream) = (Connection::new(&shared), upstream.clone());
                    tokio::task::spawn_local(async move {
                        // An error has ended the connection, and that is all there is to it.
                        connection.carry(&client, &upstream).await.unwrap_or_default();
                    });
                }
            });
        });
        Self { address, weather }
    }

    /// Turns the mood of all connections, and of those to come.
    pub(crate) fn turn(&self, mood: Mood) {
        let mut weather = self.weather.lock().unwrap();
        weather.mood = mood;
        for connection in weather.connections.iter().filter_map(Weak::upgrade) {
            connection.send_replace(mood);
        }
        if matches!(mood, Mood::Cut | Mood::Reset) {
            // Whoever is to end does so, whatever mood comes next.
            weather.connections.clear();
        }
    }

    /// Gives the connections to come a temper, which `seed` draws.
    pub(crate) fn infuriate(&self, seed: u64, temper: Temper) {
        let mut weather = self.weather.lock().unwrap();
        (weather.random, weather.temper) = (Rng::with_seed(seed), Some(temper));
    }

    /// Has all connections be fair from now on. Returns how often they turned into which mood.
    pub(crate) fn soothe(&self) -> BTreeMap<Mood, u64> {
        self.weather.lock().unwrap().temper = None;
        self.turn(Mood::Fair);
        self.weather.lock().unwrap().moods.clone()
    }
}

impl Connection {
    fn new(shared: &Arc<Mutex<Weather>>) -> Self {
        let mut weather = shared.lock().unwrap();
        let mood = Arc::new(watch::Sender::new(weather.mood));
        weather.connections.retain(|connection| connection.strong_count() > 0);
        weather.connections.push(Arc::downgrade(&mood));
        let mut random = weather.random.fork();
        let calm = weather.temper.map_or(usize::MAX, |temper| random.usize(..temper.calm));
        Self {
            weather: Arc::clone(shared),
            mood,
            random: RefCell::new(random),
            calm: Cell::new(calm),
            moody: Notify::new(),
            lossy: Cell::new(false),
        }
    }

    /// The whole life of a connection.
    async fn carry(&self, client: &TcpStream, upstream: &str) -> io::Result<()> {
        let server = match TcpStream::connect(upstream).await {
            Ok(server) => server,
            Err(error) => return client.set_zero_linger().and(Err(error)),
        };
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let crashed = tokio::select! {
            ended = self.pump(client, &server, Way::There) => ended.is_err(),
            ended = self.pump(&server, client, Way::Back) => ended.is_err(),
            crashed = self.end() => crashed,
            never = self.get_over_it() => never,
        };
        if crashed {
            client.set_zero_linger()?;
            server.set_zero_linger()?;
        }
        Ok(())
    }

    /// Forwards bytes one way.
    async fn pump(&self, from: &TcpStream, to: &TcpStream, way: Way) -> io::Result<()> {
        let mut buffer = vec![0; PIECE];
        loop {
            let length = receive(from, &mut buffer).await?;
            let mut rest = &buffer[..length];
            while !rest.is_empty() {
                let (piece, later) = rest.split_at(rest.len().min(self.calm.get()));
                self.calm.set(self.calm.get() - piece.len());
                self.forward(to, piece, way).await?;
                if self.calm.get() == 0 {
                    self.get_moody();
                }
                rest = later;
            }
            if length == 0 {
                self.forward(to, &[], way).await?;
                return Ok(());
            }
        }
    }

    async fn forward(&self, to: &TcpStream, piece: &[u8], way: Way) -> io::Result<()> {
        let mut moods = self.mood.subscribe();
        let open = |mood: &Mood| matches!(mood, Mood::Fair | Mood::Slow | Mood::Mute);
        let mood = moods.wait_for(open).await.map_or(Mood::Fair, |mood| *mood);
        if mood == Mood::Slow {
            let wait = SLOWEST.mul_f64(self.random.borrow_mut().f64());
            sleep(wait).await;
        }
        if way == Way::Back && (mood == Mood::Mute || self.lossy.get()) {
            self.lossy.set(true);
            return Ok(());
        }
        send(to, piece).await
    }

    fn get_moody(&self) {
        const MOODS: [Mood; 5] = [Mood::Slow, Mood::Silent, Mood::Mute, Mood::Cut, Mood::Reset];
        let mut weather = self.weather.lock().unwrap();
        let Some(temper) = weather.temper else { return self.calm.set(usize::MAX) };
        let mut random = self.random.borrow_mut();
        let mood = MOODS[random.usize(..MOODS.len())];
        *weather.moods.entry(mood).or_default() += 1;
        self.calm.set(random.usize(1..=temper.calm));
        self.mood.send_replace(mood);
        self.moody.notify_one();
    }

    /// Gets over every mood after a while.
    async fn get_over_it(&self) -> bool {
        loop {
            self.moody.notified().await;
            let longest = self.weather.lock().unwrap().temper.map_or(Duration::ZERO, |temper| temper.longest);
            let wait = longest.mul_f64(self.random.borrow_mut().f64());
            sleep(wait).await;
            self.mood.send_replace(Mood::Fair);
        }
    }

    /// Waits until it must end, and tells whether it does so like a crash.
    async fn end(&self) -> bool {
        let over = |mood: &Mood| match mood {
            Mood::Cut | Mood::Reset => true,
            Mood::Fair | Mood::Slow => self.lossy.get(),
            Mood::Silent | Mood::Mute => false,
        };
        let mut moods = self.mood.subscribe();
        moods.wait_for(over).await.is_ok_and(|mood| *mood != Mood::Cut)
    }
}

async fn receive(from: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        from.readable().await?;
        match from.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
    }
}

async fn send(to: &TcpStream, mut piece: &[u8]) -> io::Result<()> {
    while !piece.is_empty() {
        to.writable().await?;
        match to.try_write(piece) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            written => piece = &piece[written?..],
        }
    }
    Ok(())
}
