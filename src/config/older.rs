//! Variables of the tools that Usher replaces: named once at start, so that
//! nobody wonders why they have no effect.

use std::collections::BTreeMap;

/// Name, and what stands in its place here.
const OLDER: &[(&str, &str)] = &[
    ("ADMIN_PASSWORD_HASH", "there is no admin page; the commands use API_TOKEN"),
    ("ADMIN_USERNAME", "there is no admin page; the commands use API_TOKEN"),
    ("ALL_PROXY", "set HTTPS_PROXY"),
    ("AZURE_POSTGRESQL_CONNECTIONSTRING", "the book is one file in STATE_DIR"),
    ("DATABASE_PATH", "the book is one file in STATE_DIR"),
    ("DATABASE_URL", "the book is one file in STATE_DIR"),
    ("FLASK_DEBUG", "set LOG_LEVEL=debug"),
    ("FLASK_HOST", "set LISTEN"),
    ("FLASK_PORT", "set LISTEN"),
    ("HOOK_SECRET", "this version calls no outgoing hook"),
    ("HOOK_URL", "this version calls no outgoing hook"),
    ("INVITE_CODE", "set FREE_TIER_INVITE_CODE"),
    ("JWT_SECRET_KEY", "nothing is signed with it here"),
    ("LINK_DISCORD", "set SUPPORT_LINK"),
    ("PAYMENTSVC_CANCEL_URL", "set PUBLIC_URL"),
    ("PAYMENTSVC_CORS_ORIGINS", "no browser reads from Usher"),
    ("PAYMENTSVC_DEFAULT_CURRENCY", "the currency stands in the Stripe price"),
    ("PAYMENTSVC_DEFAULT_TRIAL_DAYS", "the trial stands in the Stripe subscription"),
    ("PAYMENTSVC_ENABLE_TRIALS", "the trial stands in the Stripe subscription"),
    ("PAYMENTSVC_ENABLE_USAGE_TRACKING", "usage isn't tracked"),
    ("PAYMENTSVC_RETURN_URL", "set PUBLIC_URL"),
    ("PAYMENTSVC_SUCCESS_URL", "set PUBLIC_URL"),
    ("PAYMENTSVC_URL_PREFIX", "the paths are fixed; see the README"),
    ("PYTHONUNBUFFERED", "Usher isn't written in Python"),
    ("SECRET_KEY", "there are no browser sessions"),
    ("SQLALCHEMY_DATABASE_URI", "the book is one file in STATE_DIR"),
    ("STRIPE_API_KEY", "set STRIPE_SECRET_KEY"),
    ("STRIPE_PUBLISHABLE_KEY", "only the secret key is needed"),
    ("TEST_MONTHLY_PRICE_ID", "name prices in the tiers file"),
    ("TEST_STRIPE_SECRET_KEY", "set STRIPE_SECRET_KEY"),
    ("TEST_STRIPE_WEBHOOK_SECRET", "set STRIPE_WEBHOOK_SECRET"),
    ("TEST_YEARLY_PRICE_ID", "name prices in the tiers file"),
];

/// A sentence for each older variable that is set.
pub(super) fn notes(vars: &BTreeMap<String, String>) -> Vec<String> {
    OLDER
        .iter()
        .filter(|(name, _)| vars.get(*name).is_some_and(|value| !value.trim().is_empty()))
        .map(|(name, instead)| format!("{name} is not needed: {instead}"))
        .collect()
}
