import ClusterModel
import FoundationEssentials
import Subprocess
import SystemPackage

/// What a really started etcd said of a restored snapshot.
package struct RestoreFacts: Sendable, Hashable {
    package let etcdVersion: String
    package let revision: Int64
    package let keys: Int64
    /// A key that was read together with its value; nil when there are no keys.
    package let sampleKey: String?
    package let took: Duration
}

/// Level 3: restores a snapshot into a scratch folder, starts etcd on it, asks it, and stops it.
///
/// etcd listens only on Unix sockets inside the scratch folder (0700): restored Secrets are never reachable for another
/// user of this machine, and no port is taken. etcd ends with this process, even when that is killed.
struct RestoreTest {
    let tools: ToolPath
    let deadline: Duration
    let time: any TimeSource

    private static let client = "unix://client:0"
    private static let peer = "unix://peer:0"

    /// Starts etcd (arguments) and kills it when standard input ends; `ended` tells that it ended by itself.
    private static let watchdog = """
        umask 077
        exec 3<&0
        "$@" </dev/null 3<&- >etcd.log 2>&1 & etcd=$!
        { cat <&3 >/dev/null; kill -KILL "$etcd"; } >/dev/null 2>&1 &
        exec 3<&-
        wait "$etcd" 2>/dev/null
        echo "$?" >ended
        """

    /// Returns what etcd said and in what it differs from the manifest.
    func run(
        snapshot: String,
        expecting facts: SnapshotFacts,
        version: String,
        in scratch: Directory
    ) async throws(BackupError) -> (facts: RestoreFacts?, findings: [String]) {
        let begun = time.uptime
        let found = try await EtcdTools.find(tools, version: version, storageVersion: facts.storageVersion, time: time)
        let folder = try scratch.makeSubdirectory("restore", exclusive: true)
        let restore = ChildProcess(
            program: found.restorer,
            arguments: [
                "snapshot", "restore", snapshot, "--data-dir=data", "--name=test",
                "--initial-cluster=test=\(Self.peer)",
                "--initial-advertise-peer-urls=\(Self.peer)", "--initial-cluster-token=rollbook-restore-test",
            ],
            directory: folder.path,
            deadline: deadline
        )
        let restored = try await restore.run(time: time)
        guard restored.exitCode == 0 else {
            return (nil, ["does not restore with \(found.restorer) \(found.version): \(restored.complaint)"])
        }
        let (status, range) = try await withDeadline(deadline, of: "etcd", time: time) {
            try await answers(of: found, in: folder)
        }
        let answer = RestoreFacts(
            etcdVersion: found.version.description,
            revision: status,
            keys: range.count,
            sampleKey: range.sampleKey,
            took: time.uptime - begun
        )
        var findings: [String] = []
        if status != facts.revision {
            findings.append("restores to revision \(status), the manifest says \(facts.revision)")
        }
        if range.count != facts.liveKeys {
            findings.append("restores to \(range.count) keys, the manifest says \(facts.liveKeys)")
        }
        if range.count > 0 && range.sampleKey == nil { findings.append("restores, but a key cannot be read") }
        return (answer, findings)
    }

    /// Runs etcd under the watchdog for as long as the questions take.
    private func answers(of found: EtcdTools, in folder: Directory) async throws -> (Int64, KeyRange) {
        let etcd = [
            found.etcd, "--name=test", "--data-dir=data", "--listen-client-urls=\(Self.client)",
            "--advertise-client-urls=\(Self.client)", "--listen-peer-urls=\(Self.peer)",
            "--initial-advertise-peer-urls=\(Self.peer)", "--initial-cluster=test=\(Self.peer)",
            "--initial-cluster-token=rollbook-restore-test",
        ]
        var options = PlatformOptions()
        options.createSession = true
        options.teardownSequence = [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .seconds(1))]
        let run = try await Subprocess.run(
            .path("/bin/sh"),
            arguments: Arguments(["-c", Self.watchdog, "sh"] + etcd),
            environment: ChildProcess.environment,
            workingDirectory: FilePath(folder.path),
            platformOptions: options,
            input: .inputWriter,
            output: .discarded,
            error: .discarded
        ) { _ in
            let revision = try await revisionOnceReady(found, folder)
            let range: KeyRange = try await ask(
                found,
                folder,
                ["get", "", "--prefix", "--limit=1", "--write-out=json"]
            )
            return (revision, range)
        }
        return run.closureResult
    }

    private func revisionOnceReady(_ found: EtcdTools, _ folder: Directory) async throws -> Int64 {
        while true {
            let question = ["endpoint", "status", "--write-out=json"]
            if let statuses: [EndpointStatus] = try? await ask(found, folder, question, seconds: 1),
                let first = statuses.first,
                first.Status.leader != nil
            {
                return first.Status.header.revision
            }
            if try folder.attributes(of: "ended") != nil {
                let log = try folder.contents(of: "etcd.log", limit: 1 << 22)
                let last = String(decoding: log, as: UTF8.self).split(separator: "\n").last ?? "without a word"
                throw BackupError.toolFailed("etcd", why: "it ended on the restored data: \(last.prefix(400))")
            }
            try await time.sleep(for: .milliseconds(50))
        }
    }

    private func ask<Answer: Decodable & Sendable>(
        _ found: EtcdTools,
        _ folder: Directory,
        _ question: [String],
        seconds: Int = 30
    ) async throws -> Answer {
        let child = ChildProcess(
            program: found.etcdctl,
            arguments: ["--endpoints=\(Self.client)", "--command-timeout=\(seconds)s", "--dial-timeout=2s"] + question,
            directory: folder.path,
            deadline: deadline,
            outputLimit: 16 << 20
        )
        let result = try await child.run(time: time)
        guard result.exitCode == 0 else { throw BackupError.toolFailed("etcdctl", why: result.complaint) }
        return try CanonicalJSON.value(Answer.self, from: Array(result.output.utf8))
    }
}

/// `etcdctl endpoint status -w json`; the names are etcd's.
private struct EndpointStatus: Decodable, Sendable {
    struct Header: Decodable, Sendable { var revision: Int64 }
    struct Body: Decodable, Sendable {
        var header: Header
        /// Omitted when there is none.
        var leader: UInt64?
    }
    var Status: Body
}

/// `etcdctl get -w json` with a limit: `count` counts the whole range. (`--count-only` is not known to 3.4.)
private struct KeyRange: Decodable, Sendable {
    struct Pair: Decodable, Sendable { var key: Data }
    private var kvs: [Pair]?
    private var total: Int64?

    private enum CodingKeys: String, CodingKey { case kvs, total = "count" }

    var count: Int64 { total ?? 0 }
    var sampleKey: String? { (kvs?.first?.key).map { String(decoding: $0, as: UTF8.self) } }
}
