//! What prices buy: the tiers file, or the one default tier.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use super::Config;
use super::house::free_codes;
use super::parse::{self, Complaint, ConfigProblem, Problems};
use super::raw::{self, Raw};
use crate::policy::FreeCode;
use crate::tier::{Tier, Wanted, parse_tiers};

/// Where it is written what a price buys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tiers {
    /// The tiers file.
    File(Vec<Tier>),
    /// No file; one tier for every price that is ours and whose product has no
    /// `usher_libraries` of its own.
    Default {
        /// What it opens.
        libraries: Wanted,
        /// Whether downloads are allowed.
        downloads: bool,
    },
    /// No file and no default: only products with `usher_libraries` count.
    FromProducts,
}

/// What the environment says of tiers.
#[derive(Debug, Clone)]
pub struct TierSettings {
    /// `TIERS_FILE`, or `STATE_DIR/tiers.json`.
    pub file: PathBuf,
    /// Whether the operator named the file; then it must be there.
    pub file_is_named: bool,
    /// `DEFAULT_LIBRARIES`.
    pub default_libraries: Option<Wanted>,
    /// `DEFAULT_DOWNLOADS`.
    pub default_downloads: bool,
    /// `FREE_TIER_INVITE_CODE`.
    pub free_codes: Vec<FreeCode>,
    /// `FREE_TIER`: the tier that a code without a payment gives.
    pub free_tier: Option<String>,
}

pub(super) fn settings(raw: &Raw, state_dir: &std::path::Path, problems: &mut Problems) -> TierSettings {
    let named = problems.read(raw.tiers_file(), parse::text);
    let settings = TierSettings {
        file_is_named: named.is_some(),
        file: named.map_or_else(|| state_dir.join("tiers.json"), PathBuf::from),
        default_libraries: problems.read(raw.default_libraries(), |text| {
            Wanted::parse(&parse::list(text))
                .map_err(|problem| Complaint::new(problem, "list titles by commas, such as Movies,TV or *,-Kids"))
        }),
        default_downloads: problems.read_or(raw.default_downloads(), false, parse::yes_or_no),
        free_codes: problems.read(raw.free_tier_invite_code(), free_codes).unwrap_or_default(),
        free_tier: problems.read(raw.free_tier(), parse::text),
    };
    let gives_something = raw.free_tier().is_set() || raw.default_libraries().is_set();
    if raw.free_tier_invite_code().is_set() && !gives_something {
        problems.tell(
            raw.free_tier_invite_code(),
            "is set, but neither FREE_TIER nor DEFAULT_LIBRARIES says what a code opens",
            "set FREE_TIER to a tier's name, or DEFAULT_LIBRARIES",
        );
    }
    settings
}

/// The certificate authorities in `EXTRA_CA_FILE`.
pub(super) fn extra_ca(raw: &Raw, problems: &mut Problems) -> Option<Vec<u8>> {
    problems.read(raw.extra_ca_file(), |path| {
        let fix = "name a file of PEM certificates that Usher may read";
        let pem = fs::read(path).map_err(|error| Complaint::new(format!("{path} can't be read: {error}"), fix))?;
        let pem = pem.strip_prefix(b"\xEF\xBB\xBF").map_or_else(|| pem.clone(), <[u8]>::to_vec);
        if String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
            Ok(pem)
        } else {
            Err(Complaint::new(format!("{path} holds no certificate"), fix))
        }
    })
}

impl Config {
    /// The operator's own templates in `TEMPLATES_DIR`, by file name.
    ///
    /// # Errors
    /// A sentence naming the file that can't be read.
    pub fn own_templates(&self) -> Result<BTreeMap<String, String>, String> {
        let mut own = BTreeMap::new();
        let Some(folder) = &self.brand.templates_dir else { return Ok(own) };
        let unreadable = |path: &std::path::Path, error: io::Error| {
            format!("TEMPLATES_DIR: {} can't be read: {error}", path.display())
        };
        for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
            let path = entry.map_err(|error| unreadable(folder, error))?.path();
            let template = path.extension().is_some_and(|ending| ending == "html" || ending == "txt");
            if let (true, Some(name)) = (template, path.file_name().and_then(|name| name.to_str())) {
                own.insert(name.to_owned(), fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?);
            }
        }
        Ok(own)
    }

    /// The tiers file's bytes, where it can be read: whether it was edited.
    #[must_use]
    pub fn tiers_as_written(&self) -> Option<Vec<u8>> {
        fs::read(&self.tiers.file).ok()
    }

    /// Reads the tiers file as it is now, so that an edit counts without a
    /// restart. `BTreeMap`-ordered and free of side effects.
    ///
    /// # Errors
    /// Every problem of the file, each naming it; also when it was named and
    /// isn't there, or when `FREE_TIER` names no tier in it.
    pub fn read_tiers(&self) -> Result<Tiers, Vec<ConfigProblem>> {
        let file = self.tiers.file.display();
        let trouble = |problem: String, fix: &str| ConfigProblem::new("TIERS_FILE", Complaint::new(problem, fix));
        let json = match fs::read(&self.tiers.file) {
            Ok(bytes) => raw::plain_text(bytes)
                .map_err(|why| vec![trouble(format!("{file} {why}"), "save it anew as plain text in UTF-8")])?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.tiers.file_is_named => {
                return Ok(self.tiers_without_file());
            }
            Err(error) => {
                let fix = "check the path and its rights; without TIERS_FILE, STATE_DIR/tiers.json is read";
                return Err(vec![trouble(format!("{file} can't be read: {error}"), fix)]);
            }
        };
        if json.trim().is_empty() {
            return Err(vec![trouble(
                format!("{file} is empty"),
                "write your tiers into it; it is read again each minute",
            )]);
        }
        let tiers = parse_tiers(&json).map_err(|problems| {
            problems
                .into_iter()
                .map(|problem| trouble(format!("{file}: {problem}"), "correct the file; it is read again each minute"))
                .collect::<Vec<_>>()
        })?;
        let names: BTreeMap<&str, ()> = tiers.iter().map(|tier| (tier.name.as_str(), ())).collect();
        match &self.tiers.free_tier {
            Some(free) if !names.contains_key(free.as_str()) => {
                let known: Vec<&str> = names.into_keys().collect();
                let problem = format!("{free:?} is no tier of {file}");
                let fix = format!("set one of: {}", known.join(", "));
                Err(vec![ConfigProblem::new("FREE_TIER", Complaint::new(problem, fix))])
            }
            None if !self.tiers.free_codes.is_empty() => {
                let known: Vec<&str> = names.into_keys().collect();
                let problem = format!("is not set, and {file} has no default for what a free code opens");
                let fix = format!("set one of: {}", known.join(", "));
                Err(vec![ConfigProblem::new("FREE_TIER", Complaint::new(problem, fix))])
            }
            _ => Ok(Tiers::File(tiers)),
        }
    }

    fn tiers_without_file(&self) -> Tiers {
        match &self.tiers.default_libraries {
            Some(libraries) => Tiers::Default { libraries: libraries.clone(), downloads: self.tiers.default_downloads },
            None => Tiers::FromProducts,
        }
    }
}
