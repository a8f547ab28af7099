package import ClusterModel
package import RemoteShell
package import RunEngine

/// `preflight.time`: something keeps the clock right, now and after the next boot, and it agrees with the other hosts' clocks.
///
/// The controller notes its own uptime around each reading, so every clock is known to lie in an interval; two clocks differ
/// for certain only as far as their intervals are apart. What is reported is that certain difference, never more, so a slow
/// link cannot raise an alarm, and a small difference may go unseen. A clock that differs from most of the others is the one
/// that is wrong. Sources: timedatectl(1), chronyc(1).
package struct CheckTime: LookingCheck {
    package static let check = CheckName.time
    package static let signature: KindSignature = looking("Clock synchronised, and in agreement with the other hosts")

    /// Source: etcd, `rafthttp`: "prober found high clock drift" begins at 1 s.
    static let warnFrom = Duration.seconds(1)
    /// kubeadm dates its certificates back by 5 min, leases last 15 to 40 s: 5 s is a fault of the clock, and early enough.
    static let failFrom = Duration.seconds(5)

    package func concerns(_ host: Host, in cluster: Cluster) -> Bool { true }

    package func facts(on target: StepTarget) -> [FactRequest] {
        target.cluster.hosts.map { FactRequest(HostClock(), on: $0.name) }
    }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let own = try await facts.read(HostClock(), on: host.name)
        let others = await SharedReading(facts, of: facts.cluster.hosts.filter { $0.name != host.name }) { _ in
            HostClock()
        }
        if let problem = Self.difference(of: own, from: others, atLeast: Self.failFrom) {
            return .fail(problem, remedy: Self.setting(own))
        }
        if own.container == nil, !own.isSynchronised {
            guard let service = own.running.first else {
                return .fail("nothing keeps its clock right", remedy: Self.starting(own))
            }
            return .fail(
                "\(service) runs, but the clock is not synchronised",
                remedy: service.hasPrefix("chrony")
                    ? "chronyc -n sources" : "systemctl status \(service)"
            )
        }
        if let problem = Self.difference(of: own, from: others, atLeast: Self.warnFrom) { return .warn(problem) }
        if own.container == nil, !own.running.isEmpty, own.enabled.isEmpty {
            return .warn("the clock is synchronised, but \(own.running[0]) would not start at the next boot")
        }
        if own.running.count > 1 {
            return .warn("\(own.running.joined(separator: " and ")) both set the clock: keep one of them")
        }
        let basis: String
        if own.isSynchronised, let service = own.running.first {
            basis = "synchronised by \(service)"
        } else if let container = own.container {
            basis = "the clock is that of the machine it runs on (\(container))"
        } else {
            basis = "synchronised by a service of another name"
        }
        return .ok(basis + Self.agreement(of: own, with: others) + others.remark)
    }

    private static func starting(_ own: HostClock.Value) -> String {
        guard let service = own.installed.first else {
            return "apt-get install -y chrony, or dnf install -y chrony && systemctl enable --now chronyd"
        }
        return service == "systemd-timesyncd" ? "timedatectl set-ntp true" : "systemctl enable --now \(service)"
    }

    private static func setting(_ own: HostClock.Value) -> String {
        if own.container != nil { return "set the clock of the machine that the container runs on" }
        guard let service = own.running.first else { return starting(own) }
        return service.hasPrefix("chrony") ? "chronyc makestep" : "systemctl restart \(service)"
    }

    /// Names the hosts whose clocks are for certain that far away, when they are more than half of all others that are known.
    ///
    /// With half of them on each side nobody knows which half is wrong, so all are named.
    private static func difference(
        of own: HostClock.Value,
        from others: SharedReading<HostClock.Value>,
        atLeast limit: Duration
    ) -> String? {
        guard let mine = own.offset else { return nil }
        let known = others.known.compactMap { other in other.value.offset.map { (other.host.name.text, $0) } }
        let apart = known.compactMap { name, theirs in
            mine.certainlyAhead(of: theirs).map { (name: name, ahead: $0) }
        }.filter { $0.ahead >= limit || $0.ahead <= .zero - limit }
        guard let first = apart.first, 2 * apart.count > known.count else { return nil }
        let amount = first.ahead < .zero ? .zero - first.ahead : first.ahead
        let direction = first.ahead < .zero ? "behind" : "ahead of"
        let rest = apart.count == 1 ? "" : " and \(apart.count - 1) more"
        let doubt = known.count == 1 ? "; one of the two is wrong" : ""
        return "its clock is at least \(amount.brief) \(direction) that of \(first.name)\(rest)\(doubt)\(others.remark)"
    }

    /// With how many of the others it agrees, as far as anybody can tell.
    private static func agreement(of own: HostClock.Value, with others: SharedReading<HostClock.Value>) -> String {
        guard let mine = own.offset else { return "; not compared with the others" }
        let known = others.known.compactMap(\.value.offset)
        guard !known.isEmpty else { return "" }
        let near = known.count { theirs in
            guard let ahead = mine.certainlyAhead(of: theirs) else { return true }
            return ahead < warnFrom && ahead > .zero - warnFrom
        }
        return near == known.count
            ? "; it agrees with the other \(near == 1 ? "host" : "\(near) hosts")"
            : "; it agrees with \(near) of \(known.count) others"
    }
}

/// What a host's clock shows, and what keeps it right.
package struct HostClock: Fact {
    package static let name = "host.clock"

    package init() {}

    /// What a host's clock shows less the controller's uptime, in milliseconds: known only to lie between two values.
    package struct Offset: Codable, Sendable, Hashable {
        package let least: Int64
        package let most: Int64

        /// How far this clock is ahead of another for certain, negative when it is behind; nil when both may be equal.
        func certainlyAhead(of other: Offset) -> Duration? {
            if least > other.most { return .milliseconds(least - other.most) }
            return most < other.least ? .milliseconds(most - other.least) : nil
        }
    }

    package struct Value: Codable, Sendable, Hashable {
        package let isSynchronised: Bool
        /// Services that keep a clock right, by the names of their units without `.service`.
        package let running: [String]
        package let installed: [String]
        package let enabled: [String]
        /// The kind of container it is; nil for a machine.
        package let container: String?
        /// nil when nobody noted when the host was asked.
        package let offset: Offset?
    }

    /// The clock is looked at last, next to the end of the answer, whose arrival the controller notes.
    ///
    /// The time since the shell's own start is time that the host spent between the question and its look at the clock.
    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[synchronised]'; timeout 3 timedatectl show -p NTPSynchronized --value 2>/dev/null
            timeout 2 chronyc -n tracking 2>/dev/null | grep '^Leap status'
            echo '[units]'
            timeout 3 systemctl show -p Id,LoadState,ActiveState,UnitFileState chrony chronyd systemd-timesyncd ntpsec ntpd ntp openntpd 2>/dev/null
            echo '[container]'; systemd-detect-virt --container 2>/dev/null | grep -vx none
            echo '[ticks]'; getconf CLK_TCK 2>/dev/null
            echo '[clock]'
            read -r stat <"/proc/$$/stat"; read -r uptime idle </proc/uptime; now=$(date +%s.%N)
            set -- ${stat##*) }
            shift 19
            echo "$now $uptime $1"
            echo '[end]'
            """
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let said = try output.lines("synchronised")
        let clock = try output.rows("clock").first ?? []
        guard clock.count >= 2, let now = Double(clock[0]) else { throw IncompleteAnswer(section: "clock") }
        let units = Self.units(try output.lines("units"))
        var worked: Double = 0
        if clock.count == 3, let ticks = Double(try output.line("ticks")), ticks > 0, let begun = Double(clock[2]),
            let uptime = Double(clock[1])
        {
            // Both are cut to hundredths; inside some containers the uptime is the container's own, and says nothing.
            worked = max(0, uptime - begun / ticks - 0.02)
        }
        let shown = Int64(now * 1000)
        let offset = answer.window.map { window in
            let least = shown - window.upperBound.milliseconds - 1
            return Offset(
                least: least,
                most: max(least, shown - window.lowerBound.milliseconds - Int64(worked * 1000))
            )
        }
        return Value(
            isSynchronised: said.contains("yes")
                || said.contains { $0.hasPrefix("Leap status") && !$0.hasSuffix("Not synchronised") },
            running: units.filter { $0.state == "active" }.map(\.name),
            installed: units.map(\.name),
            enabled: units.filter { ["enabled", "static", "generated", "alias"].contains($0.atBoot) }.map(\.name),
            container: try output.lines("container").first,
            offset: offset
        )
    }

    /// The units that exist, each once: `chronyd` and `chrony` may be two names of one.
    private static func units(_ lines: [String]) -> [(name: String, state: String, atBoot: String)] {
        var units: [[Substring: Substring]] = []
        for line in lines {
            guard let equals = line.firstIndex(of: "=") else { continue }
            let key = line[..<equals]
            if key == "Id" { units.append([:]) }
            if !units.isEmpty { units[units.count - 1][key] = line[line.index(after: equals)...] }
        }
        var seen: Set<Substring> = []
        return units.compactMap { unit in
            guard unit["LoadState"] == "loaded", let id = unit["Id"], seen.insert(id).inserted else { return nil }
            let name = id.hasSuffix(".service") ? id.dropLast(".service".count) : id
            return (String(name), String(unit["ActiveState"] ?? ""), String(unit["UnitFileState"] ?? ""))
        }
    }

    /// Nothing is ever changed because of it, and a clock is another at every reading.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
