//! "Attic Cinema": the five stand-ins, two libraries and two tiers, and the
//! environment that leads an Usher to them.
//!
//! What it promises: the same house for a test in virtual time and for a
//! person who tries Usher in real time. What it never does: start an Usher.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use usher::clock::Clock;
use usher::facts::SectionId;

use crate::discord::Discord;
use crate::plex::{self, Plex};
use crate::smtp::{Mode, Smtp};
use crate::stripe::{Interval, Stripe};
use crate::tautulli::{self, Tautulli};

/// The webhook endpoint's secret.
pub const WEBHOOK_SECRET: &str = "whsec_SandboxAtticCinema01";
/// The operator.
pub const OPERATOR: &str = "operator@attic.example";

/// Which ports of 127.0.0.1 the stand-ins listen on; 0 = any.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ports {
    /// plex.tv.
    pub plex: u16,
    /// Stripe.
    pub stripe: u16,
    /// Tautulli.
    pub tautulli: u16,
    /// The mail server.
    pub smtp: u16,
    /// Discord.
    pub discord: u16,
}

/// The services around the house, and what it has to offer.
pub struct Attic {
    /// plex.tv.
    pub plex: Plex,
    /// Stripe.
    pub stripe: Stripe,
    /// Tautulli.
    pub tautulli: Tautulli,
    /// The mail server.
    pub smtp: Smtp,
    /// Discord.
    pub discord: Discord,
    /// The price of the tier "Basic" (Movies).
    pub basic: String,
    /// The price of the tier "Premium" (Movies, TV; downloads).
    pub premium: String,
    /// Movies.
    pub movies: SectionId,
    /// TV.
    pub tv: SectionId,
}

impl Attic {
    /// Two libraries, two tiers, nobody there but the owner.
    ///
    /// # Panics
    /// When a port can't be had.
    pub async fn open(world: Clock, ports: Ports) -> Self {
        let plex = Plex::start_on(world.clone(), ports.plex);
        let movies = plex.add_section("Movies", "movie");
        let tv = plex.add_section("TV", "show");
        let stripe = Stripe::start_on(world.clone(), ports.stripe);
        let product = stripe.add_product("Attic Cinema", &[]);
        let basic = stripe.add_price(&product, 500, "usd", Some(Interval::Month));
        let premium = stripe.add_price(&product, 900, "usd", Some(Interval::Month));
        let tautulli = Tautulli::start_on(world.clone(), ports.tautulli);
        for section in plex.sections() {
            tautulli.add_library(section.key, &section.title);
        }
        let smtp = Smtp::start_on(world.clone(), Mode::StartTls, ports.smtp).await;
        smtp.require_login("usher", "letmein");
        let discord = Discord::start_on(world, ports.discord);
        Self { plex, stripe, tautulli, smtp, discord, basic, premium, movies, tv }
    }

    /// Puts the tiers file and the mail server's authority into a state folder.
    ///
    /// # Errors
    /// When it can't be written to.
    pub fn furnish(&self, state: &Path) -> io::Result<()> {
        std::fs::create_dir_all(state)?;
        let tiers = serde_json::json!([
            { "name": "Basic", "prices": [self.basic], "libraries": ["Movies"] },
            { "name": "Premium", "prices": [self.premium], "libraries": ["Movies", "TV"], "downloads": true },
        ]);
        std::fs::write(state.join("tiers.json"), tiers.to_string())?;
        std::fs::write(state.join("sandbox-ca.pem"), crate::tls::ca_pem())
    }

    /// What leads an Usher here. It is live: nothing here is real.
    #[must_use]
    pub fn environment(&self, state: &Path) -> BTreeMap<String, String> {
        let state = state.display().to_string();
        let pairs = [
            ("PLEX_TOKEN", plex::TOKEN.to_owned()),
            ("PLEX_API_URL", self.plex.url()),
            ("STRIPE_SECRET_KEY", self.stripe.key()),
            ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
            ("STRIPE_API_URL", self.stripe.url()),
            ("TAUTULLI_URL", self.tautulli.base_url()),
            ("TAUTULLI_API_KEY", tautulli::KEY.to_owned()),
            ("SMTP_HOST", "127.0.0.1".to_owned()),
            ("SMTP_PORT", self.smtp.port().to_string()),
            ("SMTP_USERNAME", "usher".to_owned()),
            ("SMTP_PASSWORD", "letmein".to_owned()),
            ("SMTP_FROM", "Attic Cinema <door@attic.example>".to_owned()),
            ("EXTRA_CA_FILE", format!("{state}/sandbox-ca.pem")),
            ("ADMIN_EMAIL", OPERATOR.to_owned()),
            ("DISCORD_WEBHOOK", self.discord.copied_url()),
            ("DISCORD_API_URL", self.discord.url()),
            ("BRAND_NAME", "Attic Cinema".to_owned()),
            ("SUPPORT_LINK", "mailto:help@attic.example".to_owned()),
            ("LISTEN", "127.0.0.1:0".to_owned()),
            ("ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("STATE_DIR", state),
            ("DRY_RUN", "false".to_owned()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// `ann` → `ann@example.com`.
#[must_use]
pub fn address(name: &str) -> String {
    format!("{name}@example.com")
}
