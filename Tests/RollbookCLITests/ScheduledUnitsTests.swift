import Testing

@testable import RollbookCLI

@Suite("Units for systemd")
struct ScheduledUnitsTests {
    private let printed = ScheduledUnits(
        name: "rollbook-nightly-backup",
        runbook: "nightly-backup",
        command: ["/opt/rollbook", "run", "nightly-backup", "--yes", "--quiet", "--inventory", "/etc/a.yaml"],
        hour: "03",
        minute: "40"
    )

    @Test("as printed name both files, the command and the time of day")
    func names() {
        let lines = printed.printed.split(separator: "\n")
        #expect(lines.first == "# /etc/systemd/system/rollbook-nightly-backup.service")
        #expect(lines.contains("# /etc/systemd/system/rollbook-nightly-backup.timer"))
        #expect(lines.contains("ExecStart=/opt/rollbook run nightly-backup --yes --quiet --inventory /etc/a.yaml"))
        #expect(lines.contains("OnCalendar=*-*-* 03:40:00"))
        #expect(!lines.contains { $0.hasPrefix("EnvironmentFile=") })
    }

    @Test("of packages run the instance, and differ from printed ones in nothing else")
    func template() {
        let template = ScheduledUnits.template
        let added = Set(template.service.split(separator: "\n")).subtracting(printed.service.split(separator: "\n"))
        #expect(
            added == [
                "Description=Rollbook %i", "EnvironmentFile=-/etc/default/rollbook",
                "ExecStart=/usr/bin/rollbook run %i --yes --quiet",
            ]
        )
        let timed = Set(template.timer.split(separator: "\n")).subtracting(printed.timer.split(separator: "\n"))
        #expect(timed == ["Description=Rollbook %i every day at 02:15", "OnCalendar=*-*-* 02:15:00"])
    }
}
