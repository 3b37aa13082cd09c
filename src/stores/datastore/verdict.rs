//! What an answer other than success means to the caller.

use std::error::Error;

use gcloud_sdk::error::{Error as SdkError, ErrorKind};
use gcloud_sdk::tonic::{Code, Status};
use google_cloud_auth::errors::CredentialsError;

use crate::stores::StoreError;

/// What to do without credentials.
pub(super) const LOG_IN: &str = "run `gcloud auth application-default login`, or name a key file in \
                                 GOOGLE_APPLICATION_CREDENTIALS";

/// What `status` from `server` means.
pub(super) fn of(server: &str, status: &Status) -> StoreError {
    if let Some(error) = without_credentials(status) {
        let cause = root(error);
        return if error.is_transient() {
            // Outside of Google Cloud, its metadata server is asked in vain.
            StoreError::Unreachable(format!(
                "no credentials for {server} yet ({cause}): unless it is Google Cloud that gives them, {LOG_IN}"
            ))
        } else {
            StoreError::Denied(format!("no credentials for {server} ({cause}): {LOG_IN}"))
        };
    }
    let cause = root(status);
    match status.code() {
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => StoreError::Unreachable(format!("{server} did not serve the call: {cause}")),
        Code::PermissionDenied | Code::Unauthenticated => StoreError::Denied(format!(
            "{server} refuses this account ({cause}): grant it the role roles/datastore.user, or {LOG_IN}"
        )),
        Code::NotFound => StoreError::Denied(format!(
            "{server} is not there ({cause}): create the database, in Datastore mode, or name another"
        )),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange | Code::AlreadyExists => {
            StoreError::Denied(format!(
                "{server} refuses the request ({cause}): check project, database, namespace and cluster"
            ))
        }
        Code::Unimplemented => StoreError::Unfit(format!(
            "{server} does not speak google.datastore.v1 ({cause}): check its address"
        )),
    }
}

/// The innermost reason of an error: the outer ones say little more than that there is one.
pub(super) fn root(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost.downcast_ref::<Status>() {
        Some(status) => format!("{:?}: {}", status.code(), status.message()),
        None => innermost.to_string(),
    }
}

/// Why there are no credentials, if that is what went wrong.
fn without_credentials(status: &Status) -> Option<&CredentialsError> {
    let error = status.source()?;
    let error =
        error.downcast_ref::<Box<SdkError>>().map(AsRef::as_ref).or(error.downcast_ref::<SdkError>())?;
    if let ErrorKind::Credentials(error) = error.kind() { Some(error) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a caller decides by.
    #[derive(Debug, PartialEq)]
    enum Means {
        TryAgain,
        Ask,
        Leave,
    }

    #[test]
    fn whoever_has_no_credentials_is_told_how_to_get_them() {
        let verdict = |is_transient| {
            let error = CredentialsError::from_msg(is_transient, "nobody answered");
            of("the store", &Status::from_error(Box::new(SdkError::from(ErrorKind::Credentials(error)))))
        };
        let (passing, lasting) = (verdict(true), verdict(false));
        assert!(matches!(passing, StoreError::Unreachable(_)) && matches!(lasting, StoreError::Denied(_)));
        for error in [passing, lasting].map(|error| error.to_string()) {
            assert!(error.contains("nobody answered") && error.contains(LOG_IN), "{error}");
        }
    }

    #[test]
    fn every_code_has_its_meaning() {
        let codes = [
            (Code::Ok, Means::TryAgain),
            (Code::Cancelled, Means::TryAgain),
            (Code::Unknown, Means::TryAgain),
            (Code::InvalidArgument, Means::Ask),
            (Code::DeadlineExceeded, Means::TryAgain),
            (Code::NotFound, Means::Ask),
            (Code::AlreadyExists, Means::Ask),
            (Code::PermissionDenied, Means::Ask),
            (Code::ResourceExhausted, Means::TryAgain),
            (Code::FailedPrecondition, Means::Ask),
            (Code::Aborted, Means::TryAgain),
            (Code::OutOfRange, Means::Ask),
            (Code::Unimplemented, Means::Leave),
            (Code::Internal, Means::TryAgain),
            (Code::Unavailable, Means::TryAgain),
            (Code::DataLoss, Means::TryAgain),
            (Code::Unauthenticated, Means::Ask),
        ];
        for (number, (code, means)) in (0..).zip(codes) {
            assert_eq!(Code::from_i32(number), code, "the table is complete");
            let (message, meant) = match of("the store", &Status::new(code, "so it said")) {
                StoreError::Unreachable(message) => (message, Means::TryAgain),
                StoreError::Denied(message) => (message, Means::Ask),
                StoreError::Unfit(message) => (message, Means::Leave),
            };
            assert_eq!(meant, means, "{code:?}");
            assert!(message.contains("the store") && message.contains("so it said"), "{message}");
        }
        assert_eq!(Code::from_i32(17), Code::Unknown, "there are no more codes");
    }
}
