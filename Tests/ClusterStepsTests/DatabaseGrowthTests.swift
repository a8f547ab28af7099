import BackupStore
import Testing

@testable import ClusterSteps

@Suite("Growth of etcd's databases in words")
struct DatabaseGrowthTests {
    @Test(
        "it is told with its evidence, and the quota with how far off it is",
        arguments: [
            // KiB a day, backups, hours from first to last, MiB in use now, MiB of quota
            (
                12288, 14, 312, 200, 0,
                "grows 12.0 MiB a day over 14 backups in 13 days; quota of 2.0 GiB in about 5 months"
            ),
            (
                12288, 14, 312, 2000, 0,
                "grows 12.0 MiB a day over 14 backups in 13 days; quota of 2.0 GiB in about 4 days"
            ),
            (
                12288, 3, 49, 2000, 2010,
                "grows 12.0 MiB a day over 3 backups in 2 days; quota of 1.9 GiB in about 20 hours"
            ),
            (
                12288, 3, 48, 100, 600,
                "grows 12.0 MiB a day over 3 backups in 2 days; quota of 600 MiB in about 6 weeks"
            ),
            (
                1024, 9, 700, 100, 8192,
                "grows 1.0 MiB a day over 9 backups in 4 weeks; quota of 8.0 GiB not within 10 years"
            ),
            (
                1024, 9, 400, 100, 1200,
                "grows 1.0 MiB a day over 9 backups in 17 days; quota of 1.1 GiB in about 3 years"
            ),
            (1024, 3, 48, 32, 32, "grows 1.0 MiB a day over 3 backups in 2 days; quota of 32.0 MiB is reached"),
            (0, 3, 48, 32, 0, "does not grow over 3 backups in 2 days"),
            (-512, 3, 48, 32, 0, "shrinks by 512 KiB a day over 3 backups in 2 days"),
            (nil, 0, 0, 32, 0, "growth is not known yet: 0 backups to compare, 3 over 2 days are needed"),
            (nil, 1, 0, 32, 0, "growth is not known yet: 1 backup to compare, 3 over 2 days are needed"),
            (nil, 5, 1, 32, 0, "growth is not known yet: 5 backups to compare within 1 hour, 3 over 2 days are needed"),
        ] as [(Int64?, Int, Int64, UInt64, UInt64, String)]
    )
    func told(rate: Int64?, backups: Int, hours: Int64, inUse: UInt64, quota: UInt64, expected: String) {
        let trend = DatabaseTrend(
            backups: backups,
            span: .seconds(hours * 3600),
            measure: .inUse,
            bytesPerDay: rate.map { $0 << 10 }
        )
        var status = EtcdStatus.Value()
        (status.databaseBytes, status.databaseInUseBytes) = ((inUse + 1) << 20, inUse << 20)
        status.quotaBytes = quota << 20
        #expect(DatabaseGrowth(trend, now: EtcdSpace(status)).text == expected)
    }

    @Test("a file's growth is counted from the size of the file")
    func measures() {
        var status = EtcdStatus.Value()
        (status.databaseBytes, status.databaseInUseBytes, status.quotaBytes) = (90, 10, 100)
        func left(_ measure: DatabaseTrend.Measure) -> Duration? {
            let trend = DatabaseTrend(backups: 3, span: .seconds(200_000), measure: measure, bytesPerDay: 10)
            return DatabaseGrowth(trend, now: EtcdSpace(status)).timeLeft
        }
        #expect(left(.file) == .seconds(86_400) && left(.inUse) == .seconds(9 * 86_400))
    }
}
