package import ClusterModel
import Journal
package import RemoteShell
package import RunEngine

/// `preflight.etcd-disk`: the disk below etcd is fast enough, as etcd itself has measured since it was started.
///
/// Nothing is written to find out, unless `measure` asks for it: a run then writes beside etcd's data what etcd's log would,
/// for 5 s at most. Thresholds: etcd.io "FAQ", 99 % of WAL syncs within 10 ms and of backend commits within 25 ms; ten times the
/// former is where leaders are lost.
package struct CheckEtcdDisk: LookingCheck {
    package static let check = CheckName.etcdDisk
    package static let signature = KindSignature(
        kind: "preflight.etcd-disk",
        summary: "How fast etcd's disk syncs, by etcd's own measure",
        parameters: [
            Parameter("measure", .boolean, "true: a run writes beside etcd's data to find out (default false)")
        ]
    )

    static let slowSync = 0.010
    static let slowCommit = 0.025
    /// An election's timeout is 1 s, of ten heartbeats of 100 ms.
    static let tooSlow = 0.100
    /// With fewer samples the slowest hundredth is one sample or none.
    static let enough: UInt64 = 100

    package let fix: Bool?
    package let measure: Bool?

    package init(fix: Bool? = nil, measure: Bool? = nil) {
        self.fix = fix
        self.measure = measure
    }

    /// Measuring may be repeated, and nothing that runs on the host is another afterwards.
    package var traits: StepTraits { StepTraits(measure == true ? .idempotent : .read, changesHost: false) }

    package func facts(on target: StepTarget) -> [FactRequest] { [FactRequest(EtcdDiskLatency(), on: target.name)] }

    package func concerns(_ host: Host, in cluster: Cluster) -> Bool {
        cluster.etcdHosts.contains { $0.name == host.name }
    }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let disk = try await facts.read(EtcdDiskLatency(), on: host.name)
        guard let sync = disk.sync, let commit = disk.commit else {
            return .warn("etcd does not answer at 127.0.0.1:2381/metrics, so the speed of its disk is not known")
        }
        guard sync.samples >= Self.enough else {
            return .ok("etcd has synced \(sync.samples) times since its start, too few to judge its disk")
        }
        let both = [("WAL syncs", sync, Self.slowSync), ("backend commits", commit, Self.slowCommit)].filter {
            $0.1.samples >= Self.enough
        }
        let said = both.map { name, measure, limit in
            "99 % of \(measure.samples) \(name) took at most \(Self.milliseconds(measure.p99)) (wanted: \(Self.milliseconds(limit)))"
        }
        .joined(separator: "; ")
        if both.contains(where: { $0.1.p99 > Self.tooSlow }) {
            return .fail(
                "etcd's disk is too slow: \(said)",
                remedy: "move etcd's folder to a disk of its own (SSD or NVMe)"
            )
        }
        return both.contains { $0.1.p99 > $0.2 } ? .warn("etcd's disk is slow: \(said)") : .ok(said)
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        guard measure == true, let host = target.host, concerns(host, in: target.cluster),
            target.cluster.policy(of: Self.check).severity != .off
        else { return try await verdict(facts, on: target) }
        let known = try await assess(facts, on: host)
        return .change([
            PlannedChange(
                "measure the disk below \(target.cluster.paths.etcdData): writes of 2300 bytes, each synced, for at most 5 s",
                diff: ["  by etcd's own measure: \(known.finding)"],
                commands: ["fio --fdatasync=1 --bs=2300 --size=22m (or dd); what is written is removed"]
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> PreflightProof {
        let result = try await context.connection.run(
            RemoteCommand(Self.measureScript, [context.target.cluster.paths.etcdData]),
            limits: CommandLimits(deadline: .seconds(60))
        )
        let words = result.output.text.split(whereSeparator: \.isWhitespace)
        guard result.succeeded, words.count == 3, let count = Int(words[1]), let nanoseconds = Double(words[2]) else {
            throw OperatorMessage(.stepFailed, "the disk could not be measured: \(result.errorOutput.lastLine)")
        }
        let p99 = nanoseconds / 1_000_000_000
        let text =
            "99 % of \(count) synced writes (\(words[0])) took at most \(Self.milliseconds(p99)) "
            + "(wanted: \(Self.milliseconds(Self.slowSync)))"
        context.progress(text)
        guard p99 <= Self.tooSlow else {
            throw OperatorMessage(
                .stepFailed,
                "etcd's disk is too slow: \(text)",
                state: "What was written is removed",
                next: "move etcd's folder to a disk of its own (SSD or NVMe)"
            )
        }
        return PreflightProof(finding: p99 > Self.slowSync ? "slow: \(text)" : text)
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        .notDone(detail: "measuring is simply repeated")
    }

    /// `$1` etcd's folder; prints the program, the number of writes, and the 99th percentile in nanoseconds.
    ///
    /// The start of `dd`, a few milliseconds, is in its times: they are upper bounds. Source of fio's options: etcd.io "FAQ" and
    /// the WAL's usual record size.
    private static let measureScript: StaticString = """
        d=$1; while [ ! -d "$d" ]; do d=${d%/*}; d=${d:-/}; done
        free=$(df -Pk "$d" | awk 'NR == 2 { print $4 }')
        [ "$free" -gt 131072 ] || { echo "$d has $free KiB free, too few to write on" >&2; exit 1; }
        umask 077; t=$d/.rollbook-disk.$$; mkdir "$t" || exit 1
        trap 'rm -rf -- "$t"' EXIT; trap 'exit 1' INT TERM HUP
        if command -v fio >/dev/null; then
            fio --rw=write --ioengine=sync --fdatasync=1 --directory="$t" --size=22m --bs=2300 --runtime=5 --name=rollbook \\
                --output-format=json >"$t/said" 2>&1 || { tail -n 1 "$t/said" >&2; exit 1; }
            printf 'fio %s %s\\n' "$(sed -n 's/.*"total_ios" : \\([0-9]*\\).*/\\1/p' "$t/said" | sort -n | tail -n 1)" \\
                "$(sed -n 's/.*"99.000000" : \\([0-9]*\\).*/\\1/p' "$t/said" | tail -n 1)"
        else
            i=0; end=$(($(date +%s) + 5))
            while [ "$i" -lt 500 ] && [ "$(date +%s)" -lt "$end" ]; do
                a=$(date +%s%N)
                dd if=/dev/zero of="$t/file" bs=2300 count=1 seek="$i" conv=notrunc,fdatasync 2>/dev/null || exit 1
                echo $(($(date +%s%N) - a)); i=$((i + 1))
            done >"$t/times"
            sort -n "$t/times" | awk '{ v[NR] = $1 } END { print "dd", NR, v[int(NR * 0.99 + 0.5)] }'
        fi
        """

    private static func milliseconds(_ seconds: Double) -> String {
        let tenths = Int((seconds * 10_000).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10) ms" : "\(tenths / 10).\(tenths % 10) ms"
    }
}

/// What etcd on a host has measured of its disk since it was started.
package struct EtcdDiskLatency: Fact {
    package static let name = "host.etcd-disk"

    package init() {}

    package struct Measure: Codable, Sendable, Hashable {
        package let samples: UInt64
        /// Seconds that 99 % of the samples stay within, between the bounds of a bucket by proportion.
        package let p99: Double
    }

    /// Nil where etcd does not answer, or has no such metric.
    package struct Value: Codable, Sendable, Hashable {
        package let sync: Measure?
        package let commit: Measure?
    }

    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[metrics]'
            if command -v curl >/dev/null; then
                curl -s --noproxy '*' --max-time 3 http://127.0.0.1:2381/metrics 2>/dev/null
            elif command -v bash >/dev/null; then
                timeout 3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/2381 && printf "GET /metrics HTTP/1.0\\r\\n\\r\\n" >&3 && cat <&3' 2>/dev/null
            fi | grep -E '^etcd_disk_(wal_fsync|backend_commit)_duration_seconds_bucket'
            echo '[end]'
            """
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let lines = try output.lines("metrics")
        return Value(
            sync: Self.measure(lines, "etcd_disk_wal_fsync_duration_seconds_bucket{le=\""),
            commit: Self.measure(lines, "etcd_disk_backend_commit_duration_seconds_bucket{le=\"")
        )
    }

    /// `…_bucket{le="0.008"} 111`: samples up to a bound, of rising bounds, the last of them `+Inf`.
    static func measure(_ lines: [String], _ prefix: String) -> Measure? {
        var buckets: [(bound: Double, count: UInt64)] = []
        for line in lines where line.hasPrefix(prefix) {
            let rest = line.dropFirst(prefix.count)
            guard let quote = rest.firstIndex(of: "\""), let space = rest.lastIndex(of: " "),
                let bound = rest[..<quote] == "+Inf" ? Double.infinity : Double(rest[..<quote]),
                let count = Double(rest[rest.index(after: space)...]).flatMap(UInt64.init(exactly:))
            else { return nil }
            buckets.append((bound, count))
        }
        guard let last = buckets.last, last.bound == .infinity, last.count > 0 else {
            return buckets.last?.count == 0 ? Measure(samples: 0, p99: 0) : nil
        }
        let rank = Double(last.count) * 0.99
        var below: (bound: Double, count: UInt64) = (0, 0)
        for bucket in buckets {
            guard Double(bucket.count) < rank else {
                let span = bucket.bound == .infinity ? 0 : bucket.bound - below.bound
                let share = (rank - Double(below.count)) / Double(max(1, bucket.count - min(below.count, bucket.count)))
                return Measure(samples: last.count, p99: below.bound + span * share)
            }
            below = bucket
        }
        return nil
    }

    /// It changes with every write.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}

extension Assessment {
    /// What was found, however it is judged.
    fileprivate var finding: String {
        switch self {
        case .ok(let text), .warn(let text), .fail(let text, _), .fixable(let text, _, _): text
        case .later(let kind): "known only after \(kind)"
        }
    }
}
