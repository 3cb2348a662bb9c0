package import HeaderBlock

/// What a retry policy says about headers: which requests may be sent again, and after which responses.
package struct RetryHeaders: Sendable {
    /// One of them must hold for the request; empty: any request.
    package var request: [HeaderTestSet] = []
    /// A response for which one of them holds is not wanted (`retriable-headers`).
    package var response: [HeaderTestSet] = []

    package init() {}

    package func permits(request head: borrowing HeadView) -> Bool {
        if request.isEmpty { return true }
        for test in request where test.matches(head) { return true }
        return false
    }

    package func refuses(response head: borrowing HeadView) -> Bool {
        for test in response where test.matches(head) { return true }
        return false
    }
}
