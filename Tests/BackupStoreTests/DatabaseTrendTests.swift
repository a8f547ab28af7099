import ClusterModel
import TestSupport
import Testing

@testable import BackupStore

@Suite("Growth of etcd's databases over the kept backups")
struct DatabaseTrendTests {
    private static let mebibyte: Int64 = 1 << 20
    private static let now = UTCMoment(seconds: 1_795_212_800)

    /// A backup `days` before now, with the file's size and what is in use of it in MiB.
    private struct Night {
        var days: Double
        var file: Int64
        var inUse: Int64?
        /// Else it grows by 1000 a day.
        var revision: Int64?
        var cluster = "c1"
        var host = "master1"
    }

    private func trend(_ nights: [Night], of host: String = "master1") throws -> DatabaseTrend {
        let sets = try nights.enumerated().map { index, night in
            BackupSummary(
                id: BackupID(
                    moment: UTCMoment(milliseconds: Self.now.milliseconds - Int64(night.days * 86_400_000)),
                    random: UInt32(index)
                ),
                etcdCluster: night.cluster,
                databases: [
                    DatabaseSize(
                        host: try #require(HostName(night.host)),
                        bytes: night.file * Self.mebibyte,
                        inUse: night.inUse.map { $0 * Self.mebibyte },
                        revision: night.revision ?? 1_000_000 - Int64(night.days * 1000)
                    )
                ]
            )
        }
        return DatabaseTrend(of: try #require(HostName(host)), in: sets, now: Self.now)
    }

    /// 14 nights, 12 MiB a day.
    private static let steady = (0..<14).map { Night(days: Double($0), file: 500, inUse: 400 - Int64($0) * 12) }

    @Test("what is in use is told by the median of all rates, whatever the file does")
    func steady() throws {
        let found = try trend(Self.steady)
        #expect(
            found
                == DatabaseTrend(
                    backups: 14,
                    span: .seconds(13 * 86_400),
                    measure: .inUse,
                    bytesPerDay: 12 * Self.mebibyte
                )
        )
        #expect(try trend(Self.steady.reversed()) == found)
        var odd = Self.steady
        odd[5].inUse = 2000
        #expect(try trend(odd).bytesPerDay == 12 * Self.mebibyte)
    }

    @Test("of files alone, only what came after the last defragmentation is compared")
    func shrunk() throws {
        let found = try trend([
            Night(days: 6, file: 900), Night(days: 5, file: 1000), Night(days: 4, file: 100),
            Night(days: 3, file: 110), Night(days: 2, file: 120), Night(days: 1, file: 130),
        ])
        #expect(found.measure == .file && found.backups == 4 && found.bytesPerDay == 10 * Self.mebibyte)
        let justNow = try trend(Self.steady.map { Night(days: $0.days, file: $0.days == 0 ? 100 : 500) })
        #expect(justNow.bytesPerDay == nil && justNow.backups == 1)
    }

    @Test(
        "fewer than three backups, or less than two days, say nothing",
        arguments: [[], [0], [0, 5], [0, 0.1, 0.2, 0.3], [0, 1, 1.9]] as [[Double]]
    )
    func tooFew(days: [Double]) throws {
        let found = try trend(days.map { Night(days: $0, file: 10, inUse: 10 - Int64($0)) })
        #expect(found.bytesPerDay == nil && found.backups == days.count)
        #expect(found.time(from: 1, to: 2) == nil)
        #expect(
            try trend([0, 1, 2].map { Night(days: $0, file: 10, inUse: 10 - Int64($0)) }).bytesPerDay == Self.mebibyte
        )
    }

    @Test("backups taken while the clock was wrong are left out")
    func clock() throws {
        var nights = Self.steady
        // Its revision says that it is six nights old.
        nights[6].days = 0.5
        nights[6].revision = 1_000_000 - 6000
        #expect(try trend(nights).backups == 13)
        nights[6].days = -3
        #expect(try trend(nights).backups == 13)
        // Years ago, by a clock without a battery.
        nights[6].days = 9000
        #expect(try trend(nights).backups == 13)
        #expect(try trend(nights).bytesPerDay == 12 * Self.mebibyte)
    }

    @Test("a cluster that is not written to has one revision, and does not grow")
    func idle() throws {
        let found = try trend((0..<5).map { Night(days: Double($0), file: 20, inUse: 10, revision: 7) })
        #expect(found.backups == 5 && found.bytesPerDay == 0)
        #expect(found.time(from: 10, to: 20) == nil && found.time(from: 20, to: 20) == .zero)
    }

    @Test("a restore begins anew, and other members and old backups do not count")
    func others() throws {
        let restored = Self.steady.map { night in
            var night = night
            if night.days > 3.5 { (night.cluster, night.inUse) = ("c0", 2000) }
            return night
        }
        #expect(try trend(restored).backups == 4 && trend(restored).bytesPerDay == 12 * Self.mebibyte)
        #expect(try trend(Self.steady, of: "master2").backups == 0)
        #expect(try trend(Self.steady + [Night(days: 31, file: 1, inUse: 1)]).backups == 14)
    }

    @Test("backups of earlier releases do not know what is in use; from three that do, they are not needed")
    func earlier() throws {
        let file = Self.steady.map { Night(days: $0.days, file: 400 - Int64($0.days) * 7) }
        let mixed = zip(Self.steady, file).map { $0.days <= 1.5 ? $0 : $1 }
        #expect(try trend(mixed).measure == .file)
        let later = zip(Self.steady, file).map { $0.days <= 2 ? $0 : $1 }
        #expect(try trend(later).measure == .inUse && trend(later).backups == 3)
    }

    @Test(
        "the quota is reached when growth says so",
        arguments: [
            // MiB a day, now, quota, days
            (10, 100, 200, 10), (10, 200, 200, 0), (10, 300, 200, 0), (0, 100, 200, nil), (-5, 100, 200, nil),
            (10, 100, 0, nil), (nil, 100, 200, nil),
        ] as [(Int64?, Int64, Int64, Int64?)]
    )
    func quota(rate: Int64?, bytes: Int64, quota: Int64, days: Int64?) {
        let trend = DatabaseTrend(
            backups: 9,
            span: .seconds(86_400 * 8),
            measure: .inUse,
            bytesPerDay: rate.map { $0 * Self.mebibyte }
        )
        let left = trend.time(from: bytes * Self.mebibyte, to: quota * Self.mebibyte)
        #expect(left == days.map { .seconds($0 * 86_400) })
    }

    @Test("a rate that is hardly one does not overflow")
    func extremes() {
        let trend = DatabaseTrend(backups: 3, span: .seconds(200_000), measure: .file, bytesPerDay: 1)
        #expect(trend.time(from: 0, to: .max) == .seconds(365_250 * 86_400))
    }
}
