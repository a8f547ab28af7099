import Foundation
import Testing

/// The practice cluster that runs on this machine, and the built program.
///
/// Found by the environment: `ROLLBOOK_LAB` is set when there is a lab (to the path of its tool, or to 1 for the one
/// of this checkout), `ROLLBOOK_LAB_STATE` and `ROLLBOOK_LAB_CACHE` are its folders, `ROLLBOOK_BINARY` the program to
/// test.
struct Lab: Sendable {
    static let isUp = ProcessInfo.processInfo.environment["ROLLBOOK_LAB"] != nil
    /// Whether every variant is tried (`make endurance`), not one of each kind, which is what fits in the time of `make test`.
    static let isThorough = ProcessInfo.processInfo.environment["ROLLBOOK_LAB_ALL"] != nil
    static let here = Lab(ProcessInfo.processInfo.environment)

    /// The lab's own tool, `Tests/Lab/lab`.
    let tool: String
    let state: String
    /// etcd's programs.
    let tools: String
    let program: String

    private init(_ environment: [String: String]) {
        let named = environment["ROLLBOOK_LAB"] ?? ""
        let products = URL(filePath: CommandLine.arguments.first ?? "").resolvingSymlinksInPath()
            .deletingLastPathComponent()
        tool = named.hasPrefix("/") ? named : Self.ancestor(of: products, with: "Tests/Lab/lab")
        state = environment["ROLLBOOK_LAB_STATE"] ?? "/var/lib/rollbook-lab"
        tools = (environment["ROLLBOOK_LAB_CACHE"] ?? "/var/cache/rollbook-lab") + "/bin"
        program = environment["ROLLBOOK_BINARY"] ?? products.appending(path: "rollbook").path
    }

    /// All variants of a test, or the first few of them.
    static func variants<Variant>(_ all: [Variant], usually count: Int = 1) -> [Variant] {
        isThorough ? all : Array(all.prefix(count))
    }

    private static func ancestor(of folder: URL, with path: String) -> String {
        var folder = folder
        while folder.path != "/" {
            let candidate = folder.appending(path: path).path
            if FileManager.default.fileExists(atPath: candidate) { return candidate }
            folder.deleteLastPathComponent()
        }
        return path
    }

    var inventory: String { state + "/inventory.yaml" }

    /// Runs a command of the lab's tool, which must succeed.
    @discardableResult
    func run(_ arguments: String...) async throws -> String { try await run(arguments) }

    @discardableResult
    func run(_ arguments: [String]) async throws -> String {
        let answer = try await Process(
            program: tool,
            arguments: arguments,
            environment: ProcessInfo.processInfo.environment,
            deadline: .seconds(180)
        ).run()
        guard answer.code == 0 else { throw TooLate(description: "the lab failed: \(answer)") }
        return answer.output
    }

    /// Runs a shell script as root on a host, without the network.
    @discardableResult
    func shell(_ host: String, _ script: String, _ arguments: String...) async throws -> String {
        try await run(["exec", host, "sh", "-ec", script, "-"] + arguments)
    }

    /// Sets faults, does `body`, and mends everything in every outcome, until the cluster is well again.
    func with(_ faults: String..., while body: () async throws -> Void) async throws {
        let failure: (any Error)?
        do {
            for fault in faults { try await run(["fault"] + fault.split(separator: " ").map(String.init)) }
            try await body()
            failure = nil
        } catch {
            failure = error
        }
        try await mend()
        if let failure { throw failure }
    }

    /// Mends what is broken and waits until every host answers and etcd is whole.
    func mend() async throws { try await run("up") }
}

/// All tests on the practice cluster: they share it, so they run one after another.
@Suite(
    "the practice cluster",
    .serialized,
    .enabled(if: Lab.isUp, "ROLLBOOK_LAB is not set: `make lab-test` boots the practice cluster")
)
struct LabSuite {}
