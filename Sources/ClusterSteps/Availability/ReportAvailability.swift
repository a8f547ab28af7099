import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `availability.report`: ends what `availability.measure` began on the same host, and says what clients of the VIP have noticed.
package struct ReportAvailability: Step {
    package static let signature = KindSignature(
        kind: "availability.report",
        summary: "Say how many reads and writes through the VIP failed meanwhile, and the longest gap",
        parameters: []
    )
    package static let stepClass = StepClass.idempotent
    package var traits: StepTraits { StepTraits(Self.stepClass, changesHost: false) }

    package init() {}

    package typealias Output = AvailabilityCount

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        guard target.cluster.vip != nil else { return .noop("the inventory names no VIP to measure through") }
        return .change([PlannedChange("stop counting, and say what failed")])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let measuring = try context.results(of: MeasureAvailability.signature.kind).first {
            $0.host == context.target.name
        }
        guard let measuring, measuring.succeeded, measuring.output != .null else {
            return AvailabilityCount(seconds: 0, reads: .none, writes: .none)
        }
        let unit = try measuring.output.decode(MeasureAvailability.Output.self).unit
        let result = try await AvailabilityScript.run(.report, unit, in: context)
        guard result.exitCode == 0, let count = AvailabilityCount(result.output.text) else {
            throw OperatorMessage(.stepFailed, result.errorOutput.lastLine)
        }
        context.progress(count.text)
        return count
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        .notDone(detail: "the count is read again")
    }
}

/// What was noticed by somebody who read and wrote through the VIP all the time.
package struct AvailabilityCount: Codable, Sendable, Hashable {
    package struct Requests: Codable, Sendable, Hashable {
        package let sent: Int
        package let failed: Int
        /// Between the ends of two successes, in milliseconds; with everything well it is about 200.
        package let longestGap: Int

        package static let none = Requests(sent: 0, failed: 0, longestGap: 0)

        package init(sent: Int, failed: Int, longestGap: Int) {
            (self.sent, self.failed, self.longestGap) = (sent, failed, longestGap)
        }
    }

    package let seconds: Int
    package let reads: Requests
    package let writes: Requests

    package init(seconds: Int, reads: Requests, writes: Requests) {
        (self.seconds, self.reads, self.writes) = (seconds, reads, writes)
    }

    /// Reads `seconds N`, `read SENT FAILED GAP`, `write SENT FAILED GAP`; nil for anything else.
    package init?(_ text: String) {
        var found: [Substring: [Int]] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if let head = words.first { found[head] = words.dropFirst().compactMap { Int($0) } }
        }
        guard let seconds = found["seconds"]?.first, let reads = Self.requests(found["read"]),
            let writes = Self.requests(found["write"])
        else { return nil }
        self.init(seconds: seconds, reads: reads, writes: writes)
    }

    private static func requests(_ numbers: [Int]?) -> Requests? {
        guard let numbers, numbers.count == 3 else { return nil }
        return Requests(sent: numbers[0], failed: numbers[1], longestGap: numbers[2])
    }

    package var text: String {
        guard reads.sent + writes.sent > 0 else { return "nothing was measured" }
        func said(_ requests: Requests, _ word: String) -> String {
            let gap = "\(requests.longestGap / 1000).\(requests.longestGap % 1000 / 100) s"
            return "\(requests.failed) of \(requests.sent) \(word) failed, longest gap \(gap)"
        }
        return "\(said(reads, "reads")); \(said(writes, "writes"))"
    }
}
