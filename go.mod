module chexp

go 1.26.0
