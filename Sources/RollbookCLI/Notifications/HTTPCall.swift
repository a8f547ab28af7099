import ClusterModel
import Subprocess

/// One request to an address that may be a secret: everything about it travels to curl on standard input.
struct HTTPCall: Sendable {
    let address: WebAddress
    /// Header lines, `Name: value`.
    var headers: [String] = []
    /// What is posted; nil for a GET.
    var body: String?
    var program = "/usr/bin/curl"

    /// The longest that may be waited for everything that is told of a run.
    static let limit = Duration.seconds(10)

    /// Why a call did not do what it was for.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Returns when the other side answered with success.
    func send() async throws {
        let run = try await QuietProgram(words: [program, "-q", "--config", "-"], inheritsEnvironment: true).run(
            reading: configuration
        )
        // Redirections are not followed, and curl takes them for a success.
        let isAccepted = run.standardOutput.hasPrefix("2")
        guard !run.terminationStatus.isSuccess || !isAccepted else { return }
        guard !run.terminationStatus.isSuccess else {
            throw Failure(description: "the answer was HTTP \(run.standardOutput)")
        }
        throw Failure(description: Self.reason(run.terminationStatus, answered: run.standardOutput))
    }

    /// A configuration file of curl(1): only values between quotes, in which `\` and `"` are escaped.
    var configuration: String {
        var lines = ["url = \(Self.quoted(address.text))", "globoff", "silent", "fail", "proto = \"=http,https\""]
        lines += ["connect-timeout = 5", "max-time = 10", "retry = 2", "retry-max-time = 8"]
        lines += ["output = /dev/null", "write-out = \"%{http_code}\""]
        lines += headers.map { "header = \(Self.quoted($0))" }
        if let body { lines.append("data-raw = \(Self.quoted(body))") }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\", "\"":
                result.unicodeScalars.append("\\")
                result.unicodeScalars.append(scalar)
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// Source: EXIT CODES of curl(1).
    private static func reason(_ status: TerminationStatus, answered code: String) -> String {
        guard case .exited(let number) = status else { return "curl was killed" }
        switch number {
        case 126, 127: return "curl cannot be run"
        case 6: return "the host's name is not known"
        case 7: return "no connection"
        case 22: return "the answer was HTTP \(code)"
        case 28: return "no answer in time"
        case 35, 51, 58, 60, 77: return "TLS failed (curl \(number))"
        default: return "curl ended with \(number)"
        }
    }
}
