package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/internal/report"
)

func TestAPageIsWrittenThroughALink(t *testing.T) {
	dir := t.TempDir()
	page, link := filepath.Join(dir, "page.html"), filepath.Join(dir, "link.html")
	if err := os.Symlink(page, link); err != nil {
		t.Fatal(err)
	}
	if err := writePage(link, report.Fleet{}); err != nil {
		t.Fatal(err)
	}
	if at, err := os.Lstat(link); err != nil || at.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v (%v), want it left as it is", at, err)
	}
	if b, err := os.ReadFile(page); err != nil || !strings.Contains(string(b), "<html") {
		t.Errorf("the page is %.40q, %v", b, err)
	}
}
